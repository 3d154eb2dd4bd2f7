/** A row for each latent value: slider, number, steps through the prior's quantiles, and a lock. */
import { h, icon } from "./dom.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {{unit: number, set: (value: number) => void, locked: () => boolean}} Row */

const GROUP = 16;

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
    groups.push(makeGroup(`Most active, ${i + 1} to ${i + some.length}`, some, i === 0));
  }
  if (idle.length) groups.push(makeGroup(`Hardly used by the model (${idle.length})`, idle, !active.length));
  return { groups, rows };

  /** @param {string} title @param {Model["units"]} units @param {boolean} open */
  function makeGroup(title, units, open) {
    return h("details", { class: "group", open }, h("summary", {}, title),
      h("ul", { class: "rows" }, ...units.map(({ unit }) => makeRow(unit))));
  }

  /** @param {number} unit */
  function makeRow(unit) {
    const name = `z${unit}`;
    const range = h("input", { type: "range", min: -model.limit, max: model.limit, step: 0.01, value: 0, "aria-label": name });
    const field = h("input", { type: "number", min: -100, max: 100, step: "any", value: "0", "aria-label": `${name}, number` });
    let value = 0;
    const put = (/** @type {number} */ next) => {
      value = next;
      range.value = String(next);
      field.value = next.toFixed(2);
    };
    const step = (/** @type {number} */ way) => {
      const values = model.quantiles.map((one) => one.value);
      const next = way > 0 ? values.find((v) => v > value + 1e-4) : values.findLast((v) => v < value - 1e-4);
      if (next === undefined) return;
      put(next);
      change(unit, next, true);
    };
    range.oninput = () => {
      value = Number(range.value);
      field.value = value.toFixed(2);
      change(unit, value, false);
    };
    range.onchange = () => change(unit, value, true);
    field.onchange = () => {
      const next = Math.min(100, Math.max(-100, Number(field.value)));
      put(Number.isFinite(next) ? next : value);
      change(unit, value, true);
    };
    const button = (/** @type {string} */ glyph, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "quiet-button", title: label, "aria-label": `${name}: ${label}`, onclick }, icon(glyph));
    const back = button("back", "previous quantile", () => step(-1));
    const forward = button("forward", "next quantile", () => step(1));
    const lock = h("button", { type: "button", class: "quiet-button lock", title: "Lock", "aria-label": `Lock ${name}`, "aria-pressed": "false" }, icon("lock"));
    const locked = () => lock.getAttribute("aria-pressed") === "true";
    lock.onclick = () => {
      lock.setAttribute("aria-pressed", String(!locked()));
      for (const control of [range, field, back, forward]) control.disabled = locked();
    };
    rows.push({ unit, set: put, locked });
    const row = h("li", { class: "unit" }, h("span", { class: "unit-name", "aria-hidden": "true" }, name), range, field, back, forward, lock);
    row.addEventListener("focusin", () => touch(unit));
    return row;
  }
}
