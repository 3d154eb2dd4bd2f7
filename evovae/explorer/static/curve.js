/** How fitness grew: a thin line for each replicate, their mean, and a mark at the generation that is shown. */
import { number, short } from "./text.js";

/** @typedef {import("./types.js").Curve} Curve */

const WIDTH = 720;
const HEIGHT = 240;
const MARGIN = { left: 64, right: 12, top: 12, bottom: 34 };

/** @param {string} tag @param {Record<string, any>} attributes @param {string} [text] */
function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** @param {Curve} curve @param {number} now */
export function drawCurve(curve, now) {
  const values = curve.best.flat().filter((value) => value !== null);
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "fitness" });
  if (!values.length) {
    root.setAttribute("aria-label", "No fitness yet");
    return root;
  }
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const last = Math.max(curve.generation.at(-1) ?? 0, 1);
  const x = (/** @type {number} */ g) => MARGIN.left + (g / last) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (/** @type {number} */ v) => HEIGHT - MARGIN.bottom - ((v - low) / span) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const line = (/** @type {(number|null)[]} */ row, /** @type {string} */ name) => svg("polyline", { class: name,
    points: row.map((v, i) => (v === null ? "" : `${x(curve.generation[i]).toFixed(1)},${y(v).toFixed(1)}`)).join(" ") });
  for (const share of [0, 0.5, 1]) {
    const value = low + share * span;
    root.append(svg("line", { class: "rule", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)),
      svg("text", { x: x(share * last), y: HEIGHT - 14, "text-anchor": "middle" }, String(Math.round(share * last))));
  }
  const mean = curve.generation.map((_, i) => average(curve.best.map((row) => row[i])));
  root.append(...curve.best.map((row) => line(row, "replicate")), line(mean, "mean"),
    svg("line", { class: "now", x1: x(now), x2: x(now), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }),
    svg("text", { x: WIDTH - MARGIN.right, y: HEIGHT - 2, "text-anchor": "end" }, "generation"));
  const aim = curve.minimise ? "smaller is better" : "larger is better";
  root.setAttribute("aria-label", `Best ${curve.label} so far (${aim}), mean of ${curve.best.length} replicates: ` +
    `${number(mean[0] ?? 0, 3)} at first, ${number(mean.at(-1) ?? 0, 3)} in generation ${last}`);
  return root;
}

/** @param {(number|null)[]} row */
function average(row) {
  const known = /** @type {number[]} */ (row.filter((value) => value !== null));
  return known.length ? known.reduce((a, b) => a + b) / known.length : null;
}
