/** Sliders: every latent value of one image, decoded while it is dragged. */
import { get, post } from "./api.js";
import { makeCard, repaint } from "./cards.js";
import { $, enable, enabled, h } from "./dom.js";
import { attempt } from "./messages.js";
import { paint } from "./pixels.js";
import { aClass, className } from "./text.js";
import { makeUnits } from "./units.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Card} Card */
/** @typedef {import("./types.js").Encoded} Encoded */

const MOST_UNDO = 100;

/** @param {Model} model */
export function makeSliders(model) {
  let genome = /** @type {number[]} */ (new Array(model.dim).fill(0));
  let settled = genome.slice();
  let undo = /** @type {number[][]} */ ([]);
  let touched = model.units[0].unit;
  let serial = 0;
  let drawn = 0;
  let busy = false;
  let /** @type {Card|undefined} */ card;
  const { groups, rows } = makeUnits(model, change);
  $("groups").append(...groups);
  $("test-index").max = model.test_images - 1;

  /** @param {number} unit @param {number} value @param {boolean} done */
  function change(unit, value, done) {
    genome[unit] = value;
    touched = unit;
    serial += 1;
    void decode();
    if (done) settle();
  }

  /** Asks for the newest image, one request at a time. */
  async function decode() {
    if (busy) return;
    busy = true;
    try {
      while (drawn !== serial) {
        const wanted = serial;
        const { cards } = await post("images", { genomes: [genome] });
        draw(cards[0]);
        drawn = wanted;
        document.dispatchEvent(new CustomEvent("evovae:drawn", { detail: { serial: wanted } }));
      }
    } catch (error) {
      drawn = serial; // what failed is not asked for again by itself
      await attempt(() => { throw error; });
    } finally {
      busy = false;
    }
  }

  /** @param {Card} next */
  function draw(next) {
    const figure = $("live").firstElementChild;
    if (card && figure) {
      Object.assign(card, next); // the buttons beneath the image mean what it shows
      repaint(figure, card);
    } else {
      card = { ...next };
      $("live").replaceChildren(makeCard(card, { name: "This image", origin: "sliders" }));
    }
  }

  /** A value is chosen: it can be undone, and the strip follows. */
  function settle() {
    if (String(settled) !== String(genome)) undo = [...undo, settled].slice(-MOST_UNDO);
    settled = genome.slice();
    enable($("undo"), undo.length > 0);
    document.dispatchEvent(new CustomEvent("evovae:favourites"));
    void attempt(sweep);
  }

  /** @param {number[]} next */
  function put(next) {
    genome = next.slice();
    for (const row of rows) row.set(genome[row.unit]);
    serial += 1;
    void decode();
  }

  /** @param {number[]} next */
  function set(next) {
    put(next);
    settle();
  }

  /** @param {(value: number) => number} value  new values of those that are not locked */
  function vary(value) {
    const next = genome.slice();
    for (const row of rows) if (!row.locked()) next[row.unit] = value(next[row.unit]);
    set(next);
  }

  /** The unit last touched, at the prior's quantiles. */
  async function sweep() {
    if ($("view-sliders").hidden) return;
    const unit = touched;
    const genomes = model.quantiles.map(({ value }) => Object.assign(genome.slice(), { [unit]: value }));
    const { cards } = await post("images", { genomes });
    if (unit !== touched) return;
    $("across-title").textContent = `z${unit} across the prior`;
    $("across").replaceChildren(...cards.map((/** @type {Card} */ one, /** @type {number} */ i) => {
      const { p, value } = model.quantiles[i];
      const share = `${Math.round(p * 100)}%`;
      const onclick = () => set(Object.assign(genome.slice(), { [unit]: value }));
      return h("li", {}, makeCard(one, { name: `z${unit} at ${share}`, note: share, onclick, offers: [] }));
    }));
  }

  /** @param {Encoded} found */
  function begin(found) {
    const canvas = $("original").querySelector("canvas");
    paint(canvas, found.original);
    const label = found.label === null ? "" : aClass(className(found.label));
    const name = found.index === null ? "your picture" : `test image ${found.index}`;
    $("original-label").textContent = [name, label].filter(Boolean).join(", ");
    canvas.setAttribute("aria-label", `The original: ${$("original-label").textContent}`);
    $("original").hidden = false;
    set(found.card.genome);
  }

  /** @param {number} index */
  const takeTest = (index) => attempt(async () => {
    $("test-index").value = String(index);
    begin(await get(`test/${index}`));
  });
  /** @param {File|undefined} file */
  const takePicture = (file) => file && attempt(async () => begin(await post("encode", file)));

  $("randomise").onclick = () => vary(() => Math.min(model.limit, Math.max(-model.limit, normal())));
  $("mean").onclick = () => vary(() => 0);
  $("undo").onclick = () => {
    const before = enabled($("undo")) && undo.pop();
    if (!before) return;
    settled = before.slice();
    set(before);
  };
  $("test-random").onclick = () => takeTest(Math.floor(uniform() * model.test_images));
  $("test-index").onchange = () => takeTest(Number($("test-index").value));
  $("picture-file").onchange = () => takePicture($("picture-file").files[0]);
  const view = $("view-sliders");
  view.ondragover = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    $("stage").classList.add("drop");
  };
  view.ondragleave = () => $("stage").classList.remove("drop");
  view.ondrop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    $("stage").classList.remove("drop");
    void takePicture(event.dataTransfer?.files[0]);
  };
  enable($("undo"), false);

  return {
    enter: async () => {
      if (!card) put(genome);
      await sweep();
    },
    /** From another view: the sliders take a genome. @param {number[]} next */
    set: (next) => {
      $("original").hidden = true;
      set(next);
    },
  };
}

const uniform = () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
/** Box and Muller 1958. */
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
