/** The path between two places on the map, as a strip of images. */
import { post } from "./api.js";
import { makeCard } from "./cards.js";
import { $, h, picked } from "./dom.js";
import { attempt } from "./messages.js";
import { plural } from "./text.js";

/** @typedef {import("./types.js").Card} Card */
/** @typedef {import("./scatter.js").Spot & {method: string, genome?: import("./types.js").Genome}} Place  a place on one of the maps */

/** @param {() => void} redraw  the map, as an end was set */
export function makePath(redraw) {
  let /** @type {Place[]} */ ends = [];
  let walking = new AbortController();
  $("way-note").textContent = "Choose two places on the map.";

  /** @param {Place} place */
  async function add(place) {
    walking.abort(); // only the newest path counts
    ends = ends.length === 2 ? [place] : [...ends, place];
    redraw();
    $("path").replaceChildren();
    $("way-note").textContent = ends.length < 2 ? "Now choose the other end." : "";
    await walk();
  }

  async function walk() {
    if (ends.length < 2) return;
    walking.abort();
    walking = new AbortController();
    const { signal } = walking;
    const [first, last] = await Promise.all(ends.map((end) => genomeOf(end, signal)));
    const { cards } = await post("path", { first, last, kind: picked("kind"), steps: steps() }, signal);
    $("path").replaceChildren(...cards.map((/** @type {Card} */ card, /** @type {number} */ index) =>
      h("li", {}, makeCard(card, { name: `Image ${index + 1} of ${cards.length} on the path`, origin: "path" }))));
    $("way-note").textContent = `${plural(cards.length, "image")}. Choose two places again for another path.`;
  }

  /** @param {Place} end @param {AbortSignal} signal */
  async function genomeOf(end, signal) {
    const { x, y, method } = end;
    end.genome ??= (await post("map/decode", { method, x, y }, signal)).card.genome;
    return end.genome;
  }

  /** The number of images, put right where it was typed wrong. */
  function steps() {
    const { value, min, max, defaultValue } = $("steps");
    const count = Math.round(Number(value)) || Number(defaultValue);
    $("steps").value = Math.min(Number(max), Math.max(Number(min), count));
    return Number($("steps").value);
  }

  for (const input of document.querySelectorAll("input[name=kind], #steps")) {
    input.addEventListener("change", () => attempt(walk));
  }
  return { add, ends: () => ends };
}
