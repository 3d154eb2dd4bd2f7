/** A row for each latent value, or direction: slider, number, steps through the prior's quantiles, and a lock. */
import { h, icon } from "./dom.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Unit} Unit */
/** @typedef {{unit: number, set: (value: number) => void, locked: () => boolean}} Row */

const GROUP = 16;
const FURTHEST = 100; // of a value that is typed, where the prior has no bounds

/** What a slider is called. @param {Model} model @param {number} unit */
export const nameOf = (model, unit) => `${model.directions ? "direction " : "z"}${unit}`;

/** The prior's median. @param {Model} model @param {Unit} unit */
export const centre = (model, { quantiles }) => quantiles[model.shares.indexOf(0.5)];

/**
 * @param {Model} model
 * @param {(unit: number, value: number, settled: boolean) => void} change
 * @param {(unit: number) => void} touch  the person turns to this one
 * @returns {{groups: HTMLElement[], rows: Row[]}}
 */
export function makeUnits(model, change, touch) {
  const rows = /** @type {Row[]} */ ([]);
  const active = model.units.filter((one) => one.active);
  const idle = model.units.filter((one) => !one.active);
  const groups = [];
  for (let i = 0; i < active.length; i += GROUP) {
    const some = active.slice(i, i + GROUP);
    const kind = model.directions ? "Directions" : some[0].activity === null ? "Values" : "Most active,";
    groups.push(makeGroup(`${kind} ${i + 1} to ${i + some.length}`, some, i === 0));
  }
  if (idle.length) groups.push(makeGroup(`Hardly used by the model (${idle.length})`, idle, !active.length));
  return { groups, rows };

  /** @param {string} title @param {Model["units"]} units @param {boolean} open */
  function makeGroup(title, units, open) {
    return h("details", { class: "group", open }, h("summary", {}, title),
      h("ul", { class: "rows" }, ...units.map(makeRow)));
  }

  /** @param {Unit} one */
  function makeRow(one) {
    const { unit, low, high, even, quantiles } = one;
    const name = nameOf(model, unit);
    const step = (high - low) / 800;
    const digits = Math.max(2, Math.ceil(-Math.log10(step)));
    const [least, most] = even ? [low, high] : [-FURTHEST, FURTHEST];
    const range = h("input", { type: "range", min: low, max: high, step, value: 0, "aria-label": name });
    const field = h("input", { type: "number", min: least, max: most, step: "any", value: "0", "aria-label": `${name}, number` });
    let value = centre(model, one);
    const put = (/** @type {number} */ next) => {
      value = next;
      range.value = String(next);
      field.value = next.toFixed(digits);
    };
    const walk = (/** @type {number} */ way) => {
      const next = way > 0 ? quantiles.find((v) => v > value + step / 100) : quantiles.findLast((v) => v < value - step / 100);
      if (next === undefined) return;
      put(next);
      change(unit, next, true);
    };
    range.oninput = () => {
      value = Number(range.value);
      field.value = value.toFixed(digits);
      change(unit, value, false);
    };
    range.onchange = () => change(unit, value, true);
    field.onchange = () => {
      const next = Math.min(most, Math.max(least, Number(field.value)));
      put(Number.isFinite(next) ? next : value);
      change(unit, value, true);
    };
    const button = (/** @type {string} */ glyph, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "quiet-button", title: label, "aria-label": `${name}: ${label}`, onclick }, icon(glyph));
    const back = button("back", "previous quantile", () => walk(-1));
    const forward = button("forward", "next quantile", () => walk(1));
    const lock = h("button", { type: "button", class: "quiet-button lock", title: "Lock", "aria-label": `Lock ${name}`, "aria-pressed": "false" }, icon("lock"));
    const locked = () => lock.getAttribute("aria-pressed") === "true";
    lock.onclick = () => {
      lock.setAttribute("aria-pressed", String(!locked()));
      for (const control of [range, field, back, forward]) control.disabled = locked();
    };
    rows.push({ unit, set: put, locked });
    const row = h("li", { class: "unit" }, h("span", { class: "unit-name", "aria-hidden": "true" }, model.directions ? `d${unit}` : name), range, field, back, forward, lock);
    row.addEventListener("focusin", () => touch(unit));
    return row;
  }
}
