/** Sliders: every latent value of one image, decoded while it is dragged. */
import { makeAcross } from "./across.js";
import { describe, makeCard, refreshKept, repaint } from "./cards.js";
import { $, enable, enabled, h } from "./dom.js";
import { makeLive } from "./live.js";
import { report } from "./messages.js";
import { makePictures } from "./pictures.js";
import { paint } from "./pixels.js";
import { decode as decodeAt, middle, moved, pointOf } from "./point.js";
import { aClass, className } from "./text.js";
import { centre, makeUnits } from "./units.js";

/** @typedef {import("./types.js").Card} Card */
/** @typedef {import("./types.js").Encoded} Encoded */
/** @typedef {import("./types.js").Genome} Genome */
/** @typedef {import("./point.js").Point} Point */
/** @typedef {{point: Point, encoded: Encoded|null}} State  values, and the picture that they came from */

const STORED = "evovae.point";
const MOST_UNDO = 100;
const ONE_CHANGE = 1000; // ms: quick steps of one slider are undone together

/** @param {import("./types.js").Model} model */
export function makeSliders(model) {
  let point = stored(model);
  let encoded = /** @type {Encoded|null} */ (null);
  let settled = /** @type {State} */ ({ point, encoded });
  let undo = /** @type {State[]} */ ([]);
  let touched = model.units[0].unit;
  let changed = { unit: -1, time: 0 };
  let serial = 0; // of the slider inputs
  const { groups, rows } = makeUnits(model, change, touch);
  const across = makeAcross(model, (unit, value) => set({ point: moved(point, unit, value), encoded }));
  const pictures = makePictures(model, (found) => set({ point: pointOf(model, found.card.genome), encoded: found }));
  const card = /** @type {Card} */ ({});
  let drawn = point; // what the image shows
  let /** @type {HTMLElement|undefined} */ figure;
  $("groups").append(...groups);

  if (model.directions) {
    $("sliders-about").textContent = `Too many genes for a slider each (${model.dim}): these move one image along ` +
      `${model.units.length} random directions, decoded as you drag.`;
    $("groups-title").textContent = "Directions";
  }

  const decode = makeLive(async (/** @type {{point: Point, serial: number}} */ wanted) =>
    (await decodeAt(model, [wanted.point]))[0], draw, report);

  /** @param {number} unit @param {number} value @param {boolean} done  whether the slider was let go */
  function change(unit, value, done) {
    point = moved(point, unit, value);
    serial += 1;
    decode({ point, serial });
    if (!done) return;
    const now = performance.now();
    settle(unit === changed.unit && now - changed.time < ONE_CHANGE);
    changed = { unit, time: now };
  }

  /** @param {Card} next @param {{point: Point, serial: number}} wanted */
  function draw(next, wanted) {
    drawn = wanted.point;
    Object.assign(card, next); // the buttons beneath the image mean what it shows
    if (figure) repaint(figure, card);
    else {
      figure = makeCard(card, { name: "This image", origin: "sliders", offers: ["keep", "breed"] });
      figure.querySelector("figcaption")?.prepend(h("span", { class: "what" }));
      $("live").replaceChildren(figure);
    }
    if (drawn === settled.point) rest();
    document.dispatchEvent(new CustomEvent("evovae:drawn", { detail: { serial: wanted.serial } }));
  }

  /** What need not follow a moving slider: names, hearts, what the image is. */
  function rest() {
    if (!figure) return;
    const what = figure.querySelector(".what");
    const same = encoded && alike(drawn, pointOf(model, encoded.card.genome));
    if (what) what.textContent = encoded ? (same ? "Reconstruction" : "Reconstruction, changed") : "";
    describe(figure, card, "This image");
    refreshKept();
  }

  /** The values are as the person wants them: that can be undone, and the strip follows. @param {boolean} [same] */
  function settle(same) {
    if (!same && !alike(settled.point, point)) undo = [...undo, settled].slice(-MOST_UNDO);
    settled = { point, encoded };
    sessionStorage.setItem(STORED, JSON.stringify({ ...point, dim: model.dim }));
    enable($("undo"), undo.length > 0);
    if (!$("view-sliders").hidden) across(touched, point);
    if (drawn === point) rest();
  }

  /** @param {number} unit  that the person turns to */
  function touch(unit) {
    touched = unit;
    across(unit, point);
  }

  /** @param {State} next */
  function put(next) {
    ({ point, encoded } = next);
    for (const row of rows) row.set(point.values[row.unit]);
    showOriginal(encoded);
    decode({ point, serial });
  }

  /** @param {State} next */
  function set(next) {
    changed = { unit: -1, time: 0 };
    put(next);
    settle();
  }

  /** About the prior's centre, but where something is held. @param {(one: import("./types.js").Unit) => number} value  of those that are not locked */
  function vary(value) {
    const locked = new Set(rows.filter((row) => row.locked()).map((row) => row.unit));
    const values = point.values.slice();
    for (const one of model.units) if (!locked.has(one.unit)) values[one.unit] = value(one);
    set({ point: { base: locked.size ? point.base : null, values }, encoded: null });
  }

  $("randomise").onclick = () => vary((one) => (one.even ? one.low + uniform() * (one.high - one.low)
    : Math.min(one.high, Math.max(one.low, centre(model, one) + normal()))));
  $("mean").onclick = () => vary((one) => centre(model, one));
  $("undo").onclick = () => {
    const before = enabled($("undo")) && undo.pop();
    if (!before) return;
    settled = before;
    set(before);
  };
  enable($("undo"), false);
  for (const row of rows) row.set(point.values[row.unit]);

  return {
    enter: () => {
      if (!figure) decode({ point, serial });
      across(touched, point);
    },
    /** From another view: the sliders take a genome. @param {Genome} next */
    set: (next) => set({ point: pointOf(model, next), encoded: null }),
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
  paint(canvas, found.original, found.card.shape);
  $("original-label").textContent = name + label;
  canvas.setAttribute("aria-label", `The original: ${name}${label}`);
}

/** Where the sliders were before a reload. @param {import("./types.js").Model} model @returns {Point} */
function stored(model) {
  const found = JSON.parse(sessionStorage.getItem(STORED) ?? "null");
  return found?.dim === model.dim && found.values.length === model.units.length ? found : middle(model);
}

/** @param {Point} one @param {Point} other */
const alike = (one, other) => one.base === other.base && String(one.values) === String(other.values);

const uniform = () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
/** Box and Muller 1958. */
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
