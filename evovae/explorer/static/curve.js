/** How a metric grew: a thin line for each replicate, their mean, and a mark at the generation that is shown, if one is. */
import { short } from "./text.js";

/** @typedef {import("./types.js").Curve} Curve */

const HEIGHT = 240;
const MARGIN = { left: 56, right: 14, top: 30, bottom: 40 };

/** @param {string} tag @param {Record<string, any>} attributes @param {string} [text] */
function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * @param {HTMLElement} place  as wide as the curve shall be
 * @param {Curve} curve
 * @param {number|null} now  the generation to mark
 * @returns {(x: number) => number}  the generation at a pixel
 */
export function drawCurve(place, curve, now) {
  const width = Math.max(place.clientWidth, 200);
  const values = curve.best.flat().filter((value) => value !== null);
  const root = svg("svg", { width, height: HEIGHT, role: "img", class: "fitness" });
  const aim = curve.label[0].toUpperCase() + curve.label.slice(1);
  place.replaceChildren(root);
  root.append(svg("text", { class: "title", x: 0, y: 14 }, aim));
  const last = Math.max(curve.generation.at(-1) ?? 0, 1);
  const across = width - MARGIN.left - MARGIN.right;
  const generationAt = (/** @type {number} */ pixel) => Math.round(((pixel - MARGIN.left) / across) * last);
  root.setAttribute("aria-label", `${aim}: nothing yet`);
  if (!values.length) return generationAt;
  const rules = ticks(Math.min(...values), Math.max(...values), 4);
  const [low, high] = [Math.min(rules[0], ...values), Math.max(rules.at(-1) ?? 0, ...values)];
  const x = (/** @type {number} */ g) => MARGIN.left + (g / last) * across;
  const y = (/** @type {number} */ v) =>
    HEIGHT - MARGIN.bottom - ((v - low) / (high - low || 1)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  for (const value of rules) {
    root.append(svg("line", { class: "rule", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const g of ticks(0, last, width < 500 ? 4 : 8).filter(Number.isInteger)) {
    root.append(svg("text", { x: x(g), y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" }, String(g)));
  }
  root.append(svg("text", { x: MARGIN.left + across / 2, y: HEIGHT - 5, "text-anchor": "middle" }, "Generation"));
  const line = (/** @type {(number|null)[]} */ row, /** @type {string} */ name) => svg("polyline", { class: name,
    points: row.map((v, i) => (v === null ? "" : `${x(curve.generation[i]).toFixed(1)},${y(v).toFixed(1)}`)).join(" ") });
  const mean = curve.generation.map((_, i) => average(curve.best.map((row) => row[i])));
  root.append(...curve.best.map((row) => line(row, "replicate")), line(mean, "mean"));
  if (now !== null) root.append(svg("line", { class: "now", x1: x(now), x2: x(now), y1: MARGIN.top - 6, y2: HEIGHT - MARGIN.bottom }));
  const ends = [mean.find((value) => value !== null), mean.findLast((value) => value !== null)].map((value) => short(value ?? 0));
  root.setAttribute("aria-label", `${aim} (${curve.minimise ? "smaller" : "larger"} is better), ` +
    `mean of ${curve.best.length} replicates: ${ends[0]} at first, ${ends[1]} in generation ${last}`);
  return generationAt;
}

/** Round numbers between two, about as many as wanted. @param {number} low @param {number} high @param {number} count */
export function ticks(low, high, count) {
  const rough = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(1, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** @param {(number|null)[]} row */
function average(row) {
  const known = /** @type {number[]} */ (row.filter((value) => value !== null));
  return known.length ? known.reduce((a, b) => a + b) / known.length : null;
}
