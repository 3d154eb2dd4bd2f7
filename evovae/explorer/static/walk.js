/** The ways over a map: wheel, drag and click of a pointer, and the keyboard. */

/** @typedef {import("./scatter.js").Spot} Spot */

const STEADY = 4; // pixels that a click may move
const LONG = 8; // cells of a long step
const KEY = 1.5; // of a key that zooms
const WAYS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
});

/**
 * @typedef {object} Steps
 * @property {(place: Spot|null, aloud?: boolean) => void} point
 * @property {(place: Spot) => void} open
 * @property {(factor: number, about?: Spot) => void} zoom
 * @property {() => void} draw
 * @property {() => Spot|null} here  what is pointed at, or where a walk begins
 * @property {() => {wide: number, high: number}} size  of what is pointed at, in cells
 * @property {() => {columns: number, rows: number}} grid
 */

/** @param {HTMLElement} ground @param {import("./viewport.js").Viewport} view @param {Steps} steps */
export function makeWalk(ground, view, { point, open, zoom, draw, here, size, grid }) {
  let /** @type {{x: number, y: number, moved: boolean}|null} */ held = null;

  /** @param {MouseEvent} event */
  const placeOf = (event) => view.toPlace({ x: event.offsetX, y: event.offsetY });

  /** @param {Spot} place */
  function isInside({ x, y }) {
    const { left, right, bottom, top } = view.seen();
    return x >= left && x < right && y >= bottom && y < top;
  }

  ground.onpointerdown = (event) => {
    if (event.button === 0) held = { x: event.offsetX, y: event.offsetY, moved: false };
  };
  ground.onpointermove = (event) => {
    if (!held) return point(isInside(placeOf(event)) ? placeOf(event) : null);
    const [x, y] = [event.offsetX - held.x, event.offsetY - held.y];
    if (!held.moved && Math.hypot(x, y) < STEADY) return;
    if (!held.moved) ground.setPointerCapture(event.pointerId);
    held = { x: event.offsetX, y: event.offsetY, moved: true };
    view.moveBy(x, y);
    point(null);
    draw();
  };
  ground.onpointerup = (event) => {
    if (held && !held.moved && isInside(placeOf(event))) open(placeOf(event));
    held = null;
  };
  ground.onpointercancel = () => (held = null);
  ground.onpointerleave = () => {
    if (!held) point(null);
  };
  ground.addEventListener("wheel", (event) => {
    const farther = event.deltaY > 0;
    if (event.ctrlKey || !isInside(placeOf(event)) || (farther ? view.isWhole() : view.isClosest())) return;
    event.preventDefault(); // the page stays where it is, until there is no more to zoom
    zoom(Math.exp(-Math.min(100, Math.max(-100, event.deltaY)) / 300), placeOf(event));
  }, { passive: false });

  ground.onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const place = here();
    const { wide, high } = size();
    const middle = place && { x: place.x + wide / 2, y: place.y + high / 2 };
    if (event.key === "Escape") return point(null);
    const factor = { "+": KEY, "=": KEY, "-": 1 / KEY, "0": 0 }[event.key];
    const way = WAYS[event.key];
    if (!place || (factor === undefined && !way && event.key !== "Enter")) return;
    event.preventDefault();
    if (event.key === "Enter") return open(place);
    let next = /** @type {Spot} */ (middle);
    if (factor !== undefined) zoom(factor, next);
    else {
      const { columns, rows } = grid();
      const step = event.shiftKey ? LONG : 1;
      next = { x: Math.min(columns - 0.5, Math.max(0.5, next.x + way[0] * step * wide)),
        y: Math.min(rows - 0.5, Math.max(0.5, next.y + way[1] * step * high)) };
    }
    const now = size();
    view.reveal({ x: next.x - now.wide / 2, y: next.y - now.high / 2 }, now.wide, now.high);
    draw();
    point(next, true);
  };
  ground.onfocus = () => {
    const place = here();
    if (place && ground.matches(":focus-visible")) point({ x: place.x + 0.5, y: place.y + 0.5 }, true);
  };
  ground.onblur = () => point(null);
}
