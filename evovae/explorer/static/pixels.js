/** Canvases, and pixels as the server sends them. */

const FINE = 136; // pixels across, as wide as most cards: a larger image is smoothed as it is made smaller

export function newCanvas() {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {string} pixels  base64 of uint8 in the order H, W, C
 * @param {[number, number, number]} shape  C, H, W
 */
export function paint(canvas, pixels, [channels, height, width]) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    canvas.classList.toggle("fine", width > FINE);
  }
  const bytes = atob(pixels);
  const image = new ImageData(width, height);
  const data = image.data;
  for (let from = 0, to = 0; to < data.length; from += channels, to += 4) {
    data[to] = bytes.charCodeAt(from);
    data[to + 1] = bytes.charCodeAt(channels === 3 ? from + 1 : from);
    data[to + 2] = bytes.charCodeAt(channels === 3 ? from + 2 : from);
    data[to + 3] = 255;
  }
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
}

/** Clears a canvas and fits it to its box, so that CSS pixels are drawn sharply; null while it is hidden. */
/** @param {HTMLCanvasElement} canvas */
export function prepare(canvas) {
  const { clientWidth, clientHeight } = canvas;
  if (!clientWidth || !clientHeight) return null;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, clientWidth + 1, clientHeight + 1);
  return context;
}

/** @param {string} text  base64 */
export const toBytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
