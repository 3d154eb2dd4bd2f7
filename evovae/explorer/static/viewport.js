/** Which part of a grid of cells is seen. Places count in cells, x to the right and y upwards; pixels, y downwards. */

/** @typedef {import("./scatter.js").Spot} Spot */
/** @typedef {{left: number, top: number, width: number, height: number}} Box  CSS pixels of a canvas */
/** @typedef {ReturnType<typeof makeViewport>} Viewport */

const CLOSEST = 3; // cells along an axis that are seen at least

export function makeViewport() {
  let columns = 1;
  let rows = 1;
  let zoom = 1;
  let left = 0;
  let bottom = 0;
  let /** @type {Box} */ box = { left: 0, top: 0, width: 1, height: 1 };

  const most = () => Math.max(1, Math.max(columns, rows) / CLOSEST);
  const along = (/** @type {number} */ count) => Math.max(Math.min(count, CLOSEST), count / zoom);
  const wide = () => along(columns);
  const high = () => along(rows);

  /** @param {number} x @param {number} y */
  function moveTo(x, y) {
    left = Math.min(columns - wide(), Math.max(0, x));
    bottom = Math.min(rows - high(), Math.max(0, y));
  }

  /** @param {Spot} place @returns {Spot} */
  const toPixel = ({ x, y }) => ({ x: box.left + ((x - left) / wide()) * box.width,
    y: box.top + (1 - (y - bottom) / high()) * box.height });
  /** @param {Spot} pixel @returns {Spot} */
  const toPlace = ({ x, y }) => ({ x: left + ((x - box.left) / box.width) * wide(),
    y: bottom + (1 - (y - box.top) / box.height) * high() });

  return {
    toPixel,
    toPlace,
    /** Another grid, or the same. @param {number} across @param {number} up */
    setGrid(across, up) {
      [columns, rows] = [across, up];
      zoom = Math.min(zoom, most());
      moveTo(left, bottom);
    },
    /** Where on the canvas. @param {Box} place */
    setBox: (place) => void (box = place),
    box: () => box,
    /** Pixels of a cell. */
    cell: () => ({ wide: box.width / wide(), high: box.height / high() }),
    /** What is seen, in cells. */
    seen: () => ({ left, bottom, right: left + wide(), top: bottom + high() }),
    /** @param {number} factor @param {Spot} [about]  which place stays where it is */
    zoomBy(factor, about = { x: left + wide() / 2, y: bottom + high() / 2 }) {
      const [across, up] = [(about.x - left) / wide(), (about.y - bottom) / high()];
      zoom = Math.min(most(), Math.max(1, zoom * factor));
      moveTo(about.x - across * wide(), about.y - up * high());
    },
    /** @param {number} x @param {number} y  pixels */
    moveBy: (x, y) => moveTo(left - (x / box.width) * wide(), bottom + (y / box.height) * high()),
    /** Moves so far that a rectangle of cells is seen. @param {Spot} place @param {number} across @param {number} up */
    reveal({ x, y }, across, up) {
      moveTo(Math.min(x, Math.max(left, x + across - wide())), Math.min(y, Math.max(bottom, y + up - high())));
    },
    whole() {
      zoom = 1;
      moveTo(0, 0);
    },
    isWhole: () => zoom === 1,
    isClosest: () => zoom >= most(),
  };
}
