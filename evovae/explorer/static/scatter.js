/** Points on a canvas: where they are drawn, which one is nearest, and what marks a place. */
import { prepare, toBytes } from "./pixels.js";

/** @typedef {{x: number, y: number}} Spot  a place on the map (y upwards), or CSS pixels of the canvas (y downwards) */
/** @typedef {{places: Float32Array, labels: Int32Array, wide: number, high: number}} Points */

const COLOURS = 10;
const MARGIN = 16;

/** The name of a class's colour in map.css. @param {number} label */
export const colour = (label) => `--class-${label % COLOURS}`;

/** @param {{points: string, labels: string}} answer @returns {Points} */
export function readPoints(answer) {
  const places = new Float32Array(toBytes(answer.points).buffer);
  let wide = 1e-6;
  let high = 1e-6;
  for (let i = 0; i < places.length; i += 2) {
    wide = Math.max(wide, places[i]);
    high = Math.max(high, places[i + 1]);
  }
  return { places, labels: new Int32Array(toBytes(answer.labels).buffer), wide, high };
}

/** @typedef {ReturnType<typeof makeScatter>} Scatter */

/** @param {HTMLCanvasElement} canvas */
export function makeScatter(canvas) {
  const hidden = new Set(); // classes
  let /** @type {Points} */ shown = { places: new Float32Array(), labels: new Int32Array(), wide: 1, high: 1 };

  /** The true aspect, centred. */
  function frame() {
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = Math.max(1, Math.min((width - 2 * MARGIN) / shown.wide, (height - 2 * MARGIN) / shown.high));
    return { scale, left: (width - shown.wide * scale) / 2, bottom: (height + shown.high * scale) / 2 };
  }

  /** @param {Spot} place @returns {Spot} */
  function toPixel({ x, y }) {
    const { scale, left, bottom } = frame();
    return { x: left + x * scale, y: bottom - y * scale };
  }

  /** @param {Spot} pixel @returns {Spot} */
  function toPlace({ x, y }) {
    const { scale, left, bottom } = frame();
    return { x: (x - left) / scale, y: (bottom - y) / scale };
  }

  /** @param {number} index @returns {Spot} */
  const point = (index) => ({ x: shown.places[2 * index], y: shown.places[2 * index + 1] });

  /** The point that is drawn next to a place, -1 where none is as near as that. */
  /** @param {Spot} place @param {number} within  CSS pixels */
  function nearest({ x, y }, within) {
    const { places, labels } = shown;
    let closest = (within / frame().scale) ** 2;
    let found = -1;
    for (let i = 0; i < labels.length; i++) {
      const distance = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2;
      if (distance <= closest && !hidden.has(labels[i])) [closest, found] = [distance, i];
    }
    return found;
  }

  /** In their own order, so that no class covers the others. */
  function draw() {
    const context = prepare(canvas);
    if (!context) return;
    const { places, labels } = shown;
    const { scale, left, bottom } = frame();
    const area = canvas.clientWidth * canvas.clientHeight;
    const radius = Math.min(4, Math.max(1.3, 0.25 * Math.sqrt(area / (labels.length || 1))));
    const style = getComputedStyle(canvas);
    const colours = Array.from({ length: COLOURS }, (_, label) => style.getPropertyValue(colour(label)).trim());
    context.globalAlpha = 0.8;
    for (let i = 0; i < labels.length; i++) {
      if (hidden.has(labels[i])) continue;
      context.fillStyle = colours[labels[i] % COLOURS];
      context.beginPath();
      context.arc(left + places[2 * i] * scale, bottom - places[2 * i + 1] * scale, radius, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** @param {Points} points */
  function show(points) {
    shown = points;
    draw();
  }

  /** @param {number} label @param {boolean} seen */
  function toggle(label, seen) {
    if (seen) hidden.delete(label);
    else hidden.add(label);
    draw();
  }

  /** @param {Spot} place @returns {Spot}  the nearest among the points' bounds */
  const inside = ({ x, y }) =>
    ({ x: Math.min(shown.wide, Math.max(0, x)), y: Math.min(shown.high, Math.max(0, y)) });

  return { draw, show, toggle, nearest, point, inside, toPixel, toPlace };
}

/**
 * Draws over the points, each line with a halo that sets it off from them.
 * @param {HTMLCanvasElement} canvas
 * @param {Scatter} scatter
 * @param {{near: number, rings: Spot[], ends: Spot[], cross: Spot|null}} marks
 */
export function drawMarks(canvas, scatter, { near, rings, ends, cross }) {
  const context = prepare(canvas);
  if (!context) return;
  const path = new Path2D();
  const [first, last] = ends.map(scatter.toPixel);
  for (const { x, y } of rings.map(scatter.toPixel)) addCircle(path, x, y, 7);
  if (near >= 0) addCircle(path, ...pair(scatter.toPixel(scatter.point(near))), 5);
  if (first) addCircle(path, first.x, first.y, 6);
  if (last) {
    addCircle(path, last.x, last.y, 6);
    addLine(path, first.x, first.y, last.x, last.y);
  }
  if (cross) addCross(path, ...pair(scatter.toPixel(cross)));
  const style = getComputedStyle(canvas);
  for (const [name, width] of /** @type {const} */ ([["--paper", 5], ["--ink", 2]])) {
    context.strokeStyle = style.getPropertyValue(name).trim();
    context.lineWidth = width;
    context.stroke(path);
  }
}

/** @param {Spot} spot @returns {[number, number]} */
const pair = ({ x, y }) => [x, y];

/** @param {Path2D} path @param {number} x @param {number} y @param {number} radius */
function addCircle(path, x, y, radius) {
  path.moveTo(x + radius, y);
  path.arc(x, y, radius, 0, 2 * Math.PI);
}

/** @param {Path2D} path @param {number} x @param {number} y @param {number} toX @param {number} toY */
function addLine(path, x, y, toX, toY) {
  path.moveTo(x, y);
  path.lineTo(toX, toY);
}

/** A crosshair, open in the middle. @param {Path2D} path @param {number} x @param {number} y */
function addCross(path, x, y) {
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    addLine(path, x + 4 * dx, y + 4 * dy, x + 16 * dx, y + 16 * dy);
  }
}
