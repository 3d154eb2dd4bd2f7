/** Pictures of elites: those that are seen are asked for, a bounded number at a time, and kept for a while. */
import { post } from "./api.js";
import { report } from "./messages.js";
import { newCanvas, paint } from "./pixels.js";

const BATCH = 64;
const KEPT = 3000; // pictures that were seen

/** @param {() => void} changed  there are more of them */
export function makeMosaic(changed) {
  const pictures = /** @type {Map<number, {canvas: HTMLCanvasElement, objective: number}>} */ (new Map());
  let source = ""; // address of the archive
  let /** @type {Float32Array<ArrayBufferLike>} */ objective = new Float32Array();
  let /** @type {number[]} */ wanted = [];
  let asking = false;

  const missing = () => wanted.filter((place) => pictures.get(place)?.objective !== objective[place]).slice(0, BATCH);

  async function ask() {
    if (asking) return;
    asking = true;
    try {
      for (let places = missing(); places.length; places = missing()) {
        const [from, known] = [source, objective];
        const answer = await post(`${from}/pictures`, { places });
        if (from !== source) continue;
        answer.pictures.forEach((/** @type {any} */ { pixels, shape }, /** @type {number} */ i) => {
          const canvas = newCanvas();
          paint(canvas, pixels, shape);
          pictures.delete(places[i]); // the oldest come first
          pictures.set(places[i], { canvas, objective: known[places[i]] });
        });
        for (const place of pictures.keys()) {
          if (pictures.size <= KEPT) break;
          pictures.delete(place);
        }
        changed();
      }
    } catch (error) {
      wanted = [];
      report(error);
    } finally {
      asking = false;
    }
  }

  return {
    /** Elites of an archive; a picture of another elite in the same cell is replaced when it is seen. */
    /** @param {string} address @param {Float32Array<ArrayBufferLike>} values  the objective at each place */
    follow(address, values) {
      if (address !== source) pictures.clear();
      [source, objective] = [address, values];
    },
    /** @param {number[]} places  that are seen, those that matter most first */
    want(places) {
      wanted = places;
      void ask();
    },
    /** @param {number} place */
    picture: (place) => pictures.get(place)?.canvas,
  };
}
