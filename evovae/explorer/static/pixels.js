/** Pixels as the server sends them, drawn on a canvas. */

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
