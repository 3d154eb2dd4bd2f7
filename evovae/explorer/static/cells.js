/** The map of an archive on a canvas: cells coloured by objective, pictures in them where there is room, and axes. */
import { colourOf, css } from "./colours.js";
import { ticks } from "./curve.js";
import { prepare, toBytes } from "./pixels.js";
import { clip, short } from "./text.js";

/** @typedef {import("./types.js").Archive} Archive */
/** @typedef {import("./viewport.js").Viewport} Viewport */
/** @typedef {{place: number, x: number, y: number, wide: number, high: number}} Block  place: of its best elite, or -1 */
/** @typedef {ReturnType<typeof readCells>} Cells */

const ROOM = 34; // pixels of a picture, each way
const MOST = 400; // pictures at once
const SLIM = 2; // as many cells along one axis as along the other: of more, cells are not drawn square
const GAP = 7; // pixels of a cell that is set off from the next
const LETTERS = 14; // of the name of a cell
const FONT = "12px system-ui, sans-serif";

/** @param {Archive} archive */
export function readCells(archive) {
  const [across, up] = archive.axes;
  const [columns, rows] = [across.places, up?.places ?? 1];
  const places = new Int32Array(toBytes(archive.places).buffer);
  const values = new Float32Array(toBytes(archive.objective).buffer);
  const objective = new Float32Array(columns * rows).fill(NaN);
  let [low, high, best] = [Infinity, -Infinity, -1];
  places.forEach((place, i) => {
    objective[place] = values[i];
    low = Math.min(low, values[i]);
    if (values[i] > high) [high, best] = [values[i], place];
  });
  /** @param {number} value */
  const colour = (value) => colourOf((value - low) / (high - low || 1));
  const heat = new ImageData(columns, rows);
  places.forEach((place, i) => {
    const [x, y] = [Math.floor(place / rows), rows - 1 - (place % rows)];
    heat.data.set([...colour(values[i]), 255], 4 * (y * columns + x));
  });
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [columns, rows];
  picture.getContext("2d")?.putImageData(heat, 0, 0);
  const pictured = archive.pictured === null ? null : new Set(new Int32Array(toBytes(archive.pictured).buffer));
  return { archive, across, up, columns, rows, objective, low, high, best, colour, picture,
    hasPicture: (/** @type {number} */ place) => !pictured || pictured.has(place) };
}

/** How many cells a picture takes, along both axes: powers of two, so that blocks lie within larger ones. */
/** @param {Viewport} view */
export function blockSize(view) {
  const { width, height } = view.box();
  const room = Math.max(ROOM, Math.sqrt((width * height) / MOST));
  const along = (/** @type {number} */ cell) => 2 ** Math.max(0, Math.ceil(Math.log2(room / cell)));
  const { wide, high } = view.cell();
  return { wide: along(wide), high: along(high) };
}

/** The block that a place lies in, with its best elite; one that has a picture goes before. */
/** @param {Cells} cells @param {{wide: number, high: number}} size @param {import("./scatter.js").Spot} place @returns {Block} */
export function blockAt({ columns, rows, objective, hasPicture }, size, place) {
  const x = Math.floor(Math.min(columns - 1, Math.max(0, place.x)) / size.wide) * size.wide;
  const y = Math.floor(Math.min(rows - 1, Math.max(0, place.y)) / size.high) * size.high;
  const [wide, high] = [Math.min(size.wide, columns - x), Math.min(size.high, rows - y)];
  let best = -1;
  const isBetter = (/** @type {number} */ one) => best < 0 || (hasPicture(one) === hasPicture(best)
    ? objective[one] > objective[best] : hasPicture(one));
  for (let column = x; column < x + wide; column++) {
    for (let one = column * rows + y; one < column * rows + y + high; one++) {
      if (!Number.isNaN(objective[one]) && isBetter(one)) best = one;
    }
  }
  return { place: best, x, y, wide, high };
}

/** All blocks that are seen and have an elite. @param {Cells} cells @param {Viewport} view @returns {Block[]} */
export function blocksSeen(cells, view) {
  const size = blockSize(view);
  const { left, bottom, right, top } = view.seen();
  const found = [];
  for (let x = Math.floor(left / size.wide) * size.wide; x < right; x += size.wide) {
    for (let y = Math.floor(bottom / size.high) * size.high; y < top; y += size.high) {
      found.push(blockAt(cells, size, { x, y }));
    }
  }
  return found.filter(({ place }) => place >= 0);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Viewport} view  is given its box
 * @param {Cells} cells
 * @param {() => Block[]|null} blocks  those whose pictures are shown, or null where cells are colours alone
 * @param {(place: number) => HTMLCanvasElement|undefined} pictureOf
 */
export function drawCells(canvas, view, cells, blocks, pictureOf) {
  const context = prepare(canvas);
  if (!context) return;
  const style = getComputedStyle(canvas);
  const colours = { empty: style.getPropertyValue("--empty"), ink: style.getPropertyValue("--ink"),
    quiet: style.getPropertyValue("--quiet") };
  context.font = FONT;
  const box = boxOf(context, canvas, cells);
  view.setBox(box);
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  context.fillStyle = colours.empty;
  context.fillRect(box.left, box.top, box.width, box.height);
  const shown = blocks();
  if (shown) shown.forEach((block) => drawBlock(context, view, cells, block, pictureOf(block.place)));
  else drawHeat(context, view, cells, colours.empty);
  context.restore();
  drawAxes(context, view, cells, colours);
}

/** Where the cells are: beside the axes, and square where that leaves no axis slim. */
/** @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} canvas @param {Cells} cells */
function boxOf(context, { clientWidth, clientHeight }, { up, columns, rows }) {
  const names = up ? [...up.cells, short(up.low), short(up.high), "0.00"] : [];
  const left = up ? Math.max(...names.map((name) => context.measureText(clip(name, LETTERS)).width)) + 36 : 12;
  const [width, height] = [Math.max(1, clientWidth - left - 14), Math.max(1, clientHeight - 58)];
  if (!up || Math.max(columns / rows, rows / columns) > SLIM) return { left, top: 10, width, height };
  const side = Math.min(width / columns, height / rows);
  return { left, top: 10, width: side * columns, height: side * rows };
}

/** @param {CanvasRenderingContext2D} context @param {Viewport} view @param {Cells} cells @param {string} empty */
function drawHeat(context, view, { picture, rows }, empty) {
  const { left, bottom, right, top } = view.seen();
  const box = view.box();
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, left, rows - top, right - left, top - bottom, box.left, box.top, box.width, box.height);
  const { wide, high } = view.cell();
  context.fillStyle = empty;
  for (let x = Math.ceil(left); wide >= GAP && x < right; x++) {
    context.fillRect(Math.round(view.toPixel({ x, y: 0 }).x) - 0.5, box.top, 1, box.height);
  }
  for (let y = Math.ceil(bottom); high >= GAP && y < top; y++) {
    context.fillRect(box.left, Math.round(view.toPixel({ x: 0, y }).y) - 0.5, box.width, 1);
  }
}

/** A picture in a frame that has the colour of its objective; the colour alone until the picture is there. */
/** @param {CanvasRenderingContext2D} context @param {Viewport} view @param {Cells} cells @param {Block} block @param {HTMLCanvasElement} [picture] */
function drawBlock(context, view, cells, block, picture) {
  const { x, y, width, height } = boxOfBlock(view, block);
  context.fillStyle = css(cells.colour(cells.objective[block.place]));
  context.fillRect(x + 0.5, y + 0.5, width - 1, height - 1);
  if (!picture) return;
  const frame = Math.max(2, Math.min(width, height) * 0.05);
  const scale = Math.min((width - 2 * frame) / picture.width, (height - 2 * frame) / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  context.imageSmoothingEnabled = scale < 1.5;
  context.drawImage(picture, x + (width - wide) / 2, y + (height - high) / 2, wide, high);
}

/** Whole CSS pixels. @param {Viewport} view @param {Block} block */
export function boxOfBlock(view, block) {
  const from = view.toPixel({ x: block.x, y: block.y + block.high });
  const to = view.toPixel({ x: block.x + block.wide, y: block.y });
  const [x, y] = [Math.round(from.x), Math.round(from.y)];
  return { x, y, width: Math.round(to.x) - x, height: Math.round(to.y) - y };
}

/** @param {CanvasRenderingContext2D} context @param {Viewport} view @param {Cells} cells @param {{ink: string, quiet: string}} colours */
function drawAxes(context, view, { across, up, columns, rows }, { ink, quiet }) {
  const { left, right, bottom, top } = view.seen();
  const box = view.box();
  const under = box.top + box.height;
  context.fillStyle = quiet;
  context.textAlign = "center";
  for (const { at, text } of marks(across, left, right, columns, box.width / 65)) {
    const { x } = view.toPixel({ x: at, y: 0 });
    context.fillRect(Math.round(x) - 0.5, under, 1, 4);
    context.fillText(text, x, under + 18);
  }
  context.textAlign = "right";
  for (const { at, text } of up ? marks(up, bottom, top, rows, box.height / 60) : []) {
    const { y } = view.toPixel({ x: 0, y: at });
    context.fillRect(box.left - 4, Math.round(y) - 0.5, 4, 1);
    context.fillText(text, box.left - 8, y + 4);
  }
  context.fillStyle = ink;
  context.textAlign = "center";
  context.fillText(clip(across.name, 60), box.left + box.width / 2, under + 40);
  if (!up) return;
  context.save();
  context.translate(14, box.top + box.height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(clip(up.name, 60), 0, 0);
  context.restore();
}

/** What stands along an axis: names of cells, or round numbers. */
/** @param {import("./types.js").Axis} axis @param {number} from @param {number} to @param {number} places @param {number} count */
function marks(axis, from, to, places, count) {
  if (axis.cells.length) {
    const step = Math.ceil((to - from) / (2 * count));
    return axis.cells.map((name, i) => ({ at: i + 0.5, text: clip(name, LETTERS) }))
      .filter(({ at }, i) => i % step === 0 && at > from && at < to);
  }
  const [value, wide] = [(/** @type {number} */ at) => axis.low + (at / places) * (axis.high - axis.low), axis.high - axis.low];
  return ticks(value(from), value(to), Math.max(2, count))
    .map((number) => ({ at: ((number - axis.low) / wide) * places, text: short(number) }));
}
