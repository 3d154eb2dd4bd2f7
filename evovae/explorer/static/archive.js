/** The archive of an illumination as a map: zoomed, walked over, followed while it grows, and bred from. */
import { get } from "./api.js";
import { blockAt, blockSize, blocksSeen, boxOfBlock, drawCells, readCells } from "./cells.js";
import { actions, makeCard } from "./cards.js";
import { ramp } from "./colours.js";
import { $, enable, h, onResize, picked } from "./dom.js";
import { makeLive } from "./live.js";
import { announce, attempt, report } from "./messages.js";
import { makeMosaic } from "./mosaic.js";
import { prepare } from "./pixels.js";
import { seen, short } from "./text.js";
import { makeViewport } from "./viewport.js";
import { makeWalk } from "./walk.js";

/** @typedef {import("./types.js").RunDetails} RunDetails */
/** @typedef {import("./types.js").Elite} Elite */
/** @typedef {import("./cells.js").Block} Block */

const OPENED = 8; // elites at once

export function makeArchive() {
  const [canvas, cursor] = [$("cells"), $("cells-cursor")];
  const view = makeViewport();
  const mosaic = makeMosaic(() => draw());
  let /** @type {RunDetails|undefined} */ run;
  let /** @type {import("./cells.js").Cells|undefined} */ cells;
  let /** @type {Block|null} */ here = null; // what is pointed at
  let /** @type {{card: import("./types.js").Card, key: string, node: HTMLElement}[]} */ opened = [];
  let known = ""; // what the map shows

  const replicate = () => Number($("archive-replicate").value);
  const address = () => `runs/${encodeURIComponent(run?.key ?? "")}/archives/${replicate()}`;

  /** Whether cells are so large, or so many together, that pictures stand for them. */
  function pictured() {
    const { wide, high } = blockSize(view);
    return picked("afar") === "pictures" || wide * high === 1;
  }

  function draw() {
    if (!cells) return;
    let /** @type {Block[]|null} */ blocks = null;
    const find = () => (blocks = cells && pictured() ? blocksSeen(cells, view) : null);
    drawCells(canvas, view, cells, find, mosaic.picture);
    if (blocks) mosaic.want(/** @type {Block[]} */ (blocks).map(({ place }) => place).filter(cells.hasPicture));
    enable($("zoom-in"), !view.isClosest());
    enable($("zoom-out"), !view.isWhole());
    enable($("zoom-whole"), !view.isWhole());
    cursor.classList.toggle("near", !view.isWhole());
    drawCursor();
  }

  function drawCursor() {
    const context = prepare(cursor);
    if (!context || !here || !cells) return;
    const { x, y, width, height } = boxOfBlock(view, here);
    const box = view.box();
    const style = getComputedStyle(cursor);
    context.rect(box.left - 3, box.top - 3, box.width + 6, box.height + 6);
    context.clip();
    for (const [name, line] of /** @type {const} */ ([["--paper", 5], ["--ink", 2]])) {
      context.strokeStyle = style.getPropertyValue(name);
      context.lineWidth = line;
      context.strokeRect(x, y, width, height);
    }
  }

  /** The cell, or the block that a picture stands for. @param {import("./scatter.js").Spot} place */
  const blockOf = (place) => cells && blockAt(cells, size(), place);
  const size = () => (pictured() ? blockSize(view) : { wide: 1, high: 1 });

  const probe = makeLive(
    (/** @type {{block: Block, aloud: boolean, from: string}} */ { block, from }) => get(`${from}/elites/${block.place}`),
    (/** @type {Elite} */ elite, { block, aloud, from }) => {
      if (here?.place !== block.place || from !== address()) return;
      showThumb(elite, block);
      if (aloud) announce([told(elite), elite.card && seen(elite.card)].filter(Boolean).join("; "));
    },
    report,
  );

  /** Points at a place; null at none. @param {import("./scatter.js").Spot|null} place @param {boolean} [aloud] */
  function point(place, aloud = false) {
    const block = (place && blockOf(place)) ?? null;
    if (block && here && block.x === here.x && block.y === here.y && block.wide === here.wide && !aloud) return;
    here = block;
    drawCursor();
    if (here && here.place >= 0) return probe({ block: here, aloud, from: address() });
    $("elite-thumb").hidden = true;
    if (aloud) announce("An empty cell");
  }

  /** @param {Elite} elite @param {Block} block */
  function showThumb(elite, block) {
    const { x, y, width, height } = boxOfBlock(view, block);
    const words = told(elite, "\n");
    $("elite-thumb").replaceChildren(elite.card ? makeCard(elite.card, { name: "This elite", note: words, offers: [] })
      : h("p", { class: "note" }, words));
    const across = x + width / 2 > cursor.clientWidth / 2 ? `${x - 10}px - 100%` : `${x + width + 10}px`;
    const down = y + height / 2 > cursor.clientHeight / 2 ? `${y + height}px - 100%` : `${y}px`;
    $("elite-thumb").style.transform = `translate(calc(${across}), calc(${down}))`;
    $("elite-thumb").hidden = false;
  }

  /** Objective and measures in words. @param {Elite} elite @param {string} between */
  const told = ({ objective, measures }, between = ", ") => cells ? [`${cells.archive.label} ${short(objective)}`,
    ...cells.archive.measures.map((name, k) => `${name} ${short(measures[k])}`)].join(between) : "";

  /** Puts an elite beside the map, where it can be kept and bred from. @param {Block} block */
  async function open(block) {
    if (block.place < 0 || !run) return;
    const [one, from] = [run, address()];
    const elite = /** @type {Elite} */ (await get(`${from}/elites/${block.place}`));
    const { card } = elite;
    if (!card || from !== address()) return;
    const words = told(elite);
    const key = `${from} ${words}`;
    const node = h("li", {}, makeCard(card, { name: `Elite of ${words}`, note: told(elite, "\n"),
      origin: `${one.name}, archive`, offers: one.compatible ? ["keep", "sliders", "breed"] : [] }));
    opened = [{ card, key, node }, ...opened.filter((other) => other.key !== key)].slice(0, OPENED);
    showOpened();
    announce(`Opened: ${[words, seen(card)].filter(Boolean).join("; ")}`);
  }

  function showOpened() {
    $("opened").replaceChildren(...opened.map(({ node }) => node));
    $("opened-empty").hidden = opened.length > 0;
    $("breed-opened").hidden = opened.length < 2 || !run?.compatible;
    $("breed-opened").textContent = `Breed from these ${opened.length}`;
  }

  /** Fetches the map, where it may have changed. @param {AbortSignal} [signal] */
  async function refresh(signal) {
    if (!run?.archive) return;
    const now = [address(), run.generation, run.status].join(" ");
    if (now === known) return;
    const from = address();
    const archive = /** @type {import("./types.js").Archive} */ (await get(from, signal));
    if (from !== address()) return;
    known = now;
    cells = readCells(archive);
    mosaic.follow(from, cells.objective);
    view.setGrid(cells.columns, cells.rows);
    tell();
    $("plane-cells").classList.toggle("single", !cells.up);
    draw();
    if (here) here = blockOf({ x: here.x, y: here.y }) ?? null;
  }

  /** What there is in words, and the scale of colours. */
  function tell() {
    if (!cells || !run) return;
    const { filled, label, cells: all, axes, measures } = cells.archive;
    const score = run.curves[1].best[replicate()].at(-1) ?? null;
    const over = measures.slice(axes.length);
    $("archive-filled").textContent = `${filled.toLocaleString("en")} of ${all.toLocaleString("en")} cells filled` +
      `${score === null ? "" : `, QD score ${score.toLocaleString("en", { maximumSignificantDigits: 4 })}`}` +
      `${over.length ? `; the best over ${over.join(", ")}` : ""}`;
    cursor.setAttribute("aria-label", `Archive over ${axes.map(({ name }) => name).join(" and ")}`);
    $("scale-label").textContent = label;
    $("scale-low").textContent = filled ? short(cells.low) : "";
    $("scale-high").textContent = filled ? short(cells.high) : "";
  }

  /** @param {number} factor @param {import("./scatter.js").Spot} [about] */
  function zoom(factor, about) {
    view.zoomBy(factor, about);
    point(null);
    draw();
  }

  makeWalk(cursor, view, {
    point, zoom, draw,
    open: (place) => {
      const block = blockOf(place);
      if (block) void attempt(() => open(block));
    },
    here: () => here ?? (cells && cells.best >= 0 ? { x: Math.floor(cells.best / cells.rows), y: cells.best % cells.rows } : null),
    size,
    grid: () => ({ columns: cells?.columns ?? 1, rows: cells?.rows ?? 1 }),
  });
  $("zoom-in").onclick = () => zoom(1.5);
  $("zoom-out").onclick = () => zoom(1 / 1.5);
  $("zoom-whole").onclick = () => zoom(0);
  $("archive-replicate").onchange = () => {
    point(null);
    void attempt(() => refresh());
  };
  document.querySelectorAll("input[name=afar]").forEach((radio) => radio.addEventListener("change", () => {
    point(null);
    draw();
  }));
  $("breed-opened").onclick = () => actions.breed(opened.map(({ card }) => card), `${run?.name}, archive`);
  $("scale-bar").style.backgroundImage = ramp();
  onResize($("plane-cells"), () => {
    point(null);
    draw();
  });

  return {
    /** Shows the archive of a run, and what has grown of it since. @param {RunDetails} next @param {AbortSignal} signal */
    async show(next, signal) {
      if (next.key !== run?.key || !next.archive) {
        [cells, known] = [undefined, ""];
        point(null);
        opened = [];
        view.whole();
        $("archive-replicate").replaceChildren(...Array.from({ length: next.replicates }, (_, r) =>
          h("option", { value: r }, String(r + 1))));
      }
      run = next;
      $("archive-map").hidden = !next.archive;
      $("archive-none").hidden = next.archive;
      await refresh(signal);
      showOpened();
    },
  };
}
