/** Sliders: every latent value of one image, decoded while it is dragged. */
import { makeAcross } from "./across.js";
import { post } from "./api.js";
import { describe, makeCard, refreshKept, repaint } from "./cards.js";
import { $, enable, enabled, h } from "./dom.js";
import { makeLive } from "./live.js";
import { report } from "./messages.js";
import { makePictures } from "./pictures.js";
import { paint } from "./pixels.js";
import { aClass, className } from "./text.js";
import { makeUnits } from "./units.js";

/** @typedef {import("./types.js").Card} Card */
/** @typedef {import("./types.js").Encoded} Encoded */
/** @typedef {{genome: number[], encoded: Encoded|null}} State  values, and the picture that they came from */

const STORED = "evovae.genome";
const MOST_UNDO = 100;
const ONE_CHANGE = 1000; // ms: quick steps of one slider are undone together

/** @param {import("./types.js").Model} model */
export function makeSliders(model) {
  let genome = stored(model.dim);
  let encoded = /** @type {Encoded|null} */ (null);
  let settled = /** @type {State} */ ({ genome, encoded });
  let undo = /** @type {State[]} */ ([]);
  let touched = model.units[0].unit;
  let changed = { unit: -1, time: 0 };
  let serial = 0; // of the slider inputs
  const { groups, rows } = makeUnits(model, change, touch);
  const across = makeAcross(model, (unit, value) => set({ genome: genome.with(unit, value), encoded }));
  const pictures = makePictures(model, (found) => set({ genome: found.card.genome, encoded: found }));
  const card = /** @type {Card} */ ({});
  let drawn = genome; // what the image shows
  let /** @type {HTMLElement|undefined} */ figure;
  $("groups").append(...groups);

  const decode = makeLive(async (/** @type {{genome: number[], serial: number}} */ wanted) =>
    (await post("images", { genomes: [wanted.genome] })).cards[0], draw, report);

  /** @param {number} unit @param {number} value @param {boolean} done  whether the slider was let go */
  function change(unit, value, done) {
    genome = genome.with(unit, value);
    serial += 1;
    decode({ genome, serial });
    if (!done) return;
    const now = performance.now();
    settle(unit === changed.unit && now - changed.time < ONE_CHANGE);
    changed = { unit, time: now };
  }

  /** @param {Card} next @param {{genome: number[], serial: number}} wanted */
  function draw(next, wanted) {
    drawn = wanted.genome;
    Object.assign(card, next); // the buttons beneath the image mean what it shows
    if (figure) repaint(figure, card);
    else {
      figure = makeCard(card, { name: "This image", origin: "sliders", offers: ["keep", "breed"] });
      figure.querySelector("figcaption")?.prepend(h("span", { class: "what" }));
      $("live").replaceChildren(figure);
    }
    if (drawn === settled.genome) rest();
    document.dispatchEvent(new CustomEvent("evovae:drawn", { detail: { serial: wanted.serial } }));
  }

  /** What need not follow a moving slider: names, hearts, what the image is. */
  function rest() {
    if (!figure) return;
    const what = figure.querySelector(".what");
    const same = String(drawn) === String(encoded?.card.genome);
    if (what) what.textContent = encoded ? (same ? "Reconstruction" : "Reconstruction, changed") : "";
    describe(figure, card, "This image");
    refreshKept();
  }

  /** The values are as the person wants them: that can be undone, and the strip follows. @param {boolean} [same] */
  function settle(same) {
    if (!same && String(settled.genome) !== String(genome)) undo = [...undo, settled].slice(-MOST_UNDO);
    settled = { genome, encoded };
    sessionStorage.setItem(STORED, JSON.stringify(genome));
    enable($("undo"), undo.length > 0);
    if (!$("view-sliders").hidden) across(touched, genome);
    if (drawn === genome) rest();
  }

  /** @param {number} unit  that the person turns to */
  function touch(unit) {
    touched = unit;
    across(unit, genome);
  }

  /** @param {State} next */
  function put(next) {
    ({ genome, encoded } = next);
    for (const row of rows) row.set(genome[row.unit]);
    showOriginal(encoded);
    decode({ genome, serial });
  }

  /** @param {State} next */
  function set(next) {
    changed = { unit: -1, time: 0 };
    put(next);
    settle();
  }

  /** @param {(value: number) => number} value  new values of those that are not locked */
  function vary(value) {
    const next = genome.slice();
    for (const row of rows) if (!row.locked()) next[row.unit] = value(next[row.unit]);
    set({ genome: next, encoded: null });
  }

  $("randomise").onclick = () => vary(() => Math.min(model.limit, Math.max(-model.limit, normal())));
  $("mean").onclick = () => vary(() => 0);
  $("undo").onclick = () => {
    const before = enabled($("undo")) && undo.pop();
    if (!before) return;
    settled = before;
    set(before);
  };
  enable($("undo"), false);
  for (const row of rows) row.set(genome[row.unit]);

  return {
    enter: () => {
      if (!figure) decode({ genome, serial });
      across(touched, genome);
    },
    /** From another view: the sliders take a genome. @param {number[]} next */
    set: (next) => set({ genome: next.slice(), encoded: null }),
    takeTest: pictures.takeTest,
  };
}

/** @param {Encoded|null} found */
function showOriginal(found) {
  $("original").hidden = !found;
  if (!found) return;
  const canvas = $("original").querySelector("canvas");
  const name = found.index === null ? "your picture" : `test image ${found.index}`;
  const label = found.label === null ? "" : `, ${aClass(className(found.label))}`;
  paint(canvas, found.original);
  $("original-label").textContent = name + label;
  canvas.setAttribute("aria-label", `The original: ${name}${label}`);
}

/** The genome from before a reload. @param {number} dim @returns {number[]} */
function stored(dim) {
  const found = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
  return found.length === dim ? found : new Array(dim).fill(0);
}

const uniform = () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
/** Box and Muller 1958. */
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
