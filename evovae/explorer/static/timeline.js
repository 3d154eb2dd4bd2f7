/** The tree of generations: a row continues with the first child; another child begins a row beneath. */
import { h } from "./dom.js";

/** @typedef {import("./types.js").Step} Step */
/** @typedef {{from: number|null, depth: number, steps: number[]}} Row  depth: how often it branched off before */

const DEEPEST = 6; // rows further from the trunk are not moved any more

/**
 * @param {HTMLElement} place
 * @param {Step[]} steps
 * @param {number} now  the generation that is shown
 * @param {(index: number) => any} visit
 */
export function drawTimeline(place, steps, now, visit) {
  const focused = place.contains(document.activeElement);
  place.replaceChildren(...rowsOf(steps).map(({ from, depth, steps: row }) => {
    const list = h("ul", { class: "branch", "aria-label": `From generation ${(from ?? row[0]) + 1}` },
      from === null ? null : h("li", { class: "from", "aria-hidden": "true" }, `${from + 1} ↳`),
      ...row.map((index) => h("li", {}, makeStep(index, steps[index], now, visit))));
    list.style.paddingInlineStart = `${Math.min(depth, DEEPEST) * 0.9}rem`;
    return list;
  }));
  const current = /** @type {HTMLElement} */ (place.querySelector("[aria-current]"));
  if (focused) current.focus({ preventScroll: true });
  const { offsetTop, offsetHeight } = current;
  const { scrollTop, clientHeight } = place;
  if (offsetTop < scrollTop || offsetTop + offsetHeight > scrollTop + clientHeight) place.scrollTop = offsetTop - clientHeight / 2;
}

/** @param {number} index @param {Step} step @param {number} now @param {(index: number) => any} visit */
function makeStep(index, step, now, visit) {
  const from = step.parent === null ? step.how : `bred from ${step.parent + 1}`;
  const name = `Generation ${index + 1}, ${from}`;
  const button = h("button", { type: "button", class: "step", title: name, "aria-label": name, onclick: () => visit(index) },
    String(index + 1));
  if (index === now) button.setAttribute("aria-current", "step");
  return button;
}

/** @param {Step[]} steps @returns {Row[]} */
function rowsOf(steps) {
  const rows = /** @type {Row[]} */ ([]);
  const home = /** @type {Row[]} */ ([]); // the row of each generation
  steps.forEach(({ parent }, index) => {
    const before = parent === null ? undefined : home[parent];
    let row = before?.steps.at(-1) === parent ? before : undefined;
    if (!row) rows.push((row = { from: parent, depth: before ? before.depth + 1 : 0, steps: [] }));
    row.steps.push(index);
    home[index] = row;
  });
  return rows;
}
