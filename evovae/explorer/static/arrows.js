/** Arrow keys move the focus among the pictures of a grid, besides Tab. */

const WAYS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
});

/** @param {HTMLElement} grid */
export function moveByArrows(grid) {
  grid.addEventListener("keydown", (event) => {
    const pictures = /** @type {HTMLElement[]} */ ([...grid.querySelectorAll("button.picture")]);
    const place = pictures.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const way = WAYS[event.key];
    if (!way || place < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const next = pictures[place + way[0] + way[1] * columns];
    event.preventDefault();
    next?.focus();
  });
}
