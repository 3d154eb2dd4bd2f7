/** Runs: which there are, how they went, and the best image of each replicate of an evolution at any generation. */
import { get, post } from "./api.js";
import { makeArchive } from "./archive.js";
import { makeCard } from "./cards.js";
import { drawCurve } from "./curve.js";
import { $, busy, h, icon, onResize } from "./dom.js";
import { attempt } from "./messages.js";
import { short } from "./text.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").RunDetails} RunDetails */
/** @typedef {import("./types.js").Frame} Frame */

const POLL = 2000;
const FRAME = 100;
const PATIENCE = 15; // polls until a run that was just started has a folder
const pause = (/** @type {number} */ ms) => new Promise((resume) => setTimeout(resume, ms));

export function makeWatch() {
  let /** @type {RunDetails|undefined} */ run;
  let /** @type {AbortSignal} */ visit;
  let playing = false;
  let asked = 0;
  let generationAt = (/** @type {number} */ _x) => 0;
  const archive = makeArchive();
  const slider = /** @type {HTMLInputElement} */ ($("frame"));

  /** @param {Run[]} runs */
  function list(runs) {
    $("runs-empty").hidden = runs.length > 0;
    const had = document.activeElement?.getAttribute("data-key");
    $("runs").replaceChildren(...runs.map((one) => {
      const button = h("button", { type: "button", class: "choose-run", "data-key": one.key,
        onclick: () => attempt(() => choose(one.key, visit)) },
      h("span", { class: "run-name" }, one.name), h("span", { class: "quiet" }, state(one)));
      if (one.key === run?.key) button.setAttribute("aria-current", "true");
      return h("li", {}, button);
    }));
    if (had) /** @type {HTMLElement|null} */ (document.querySelector(`[data-key="${CSS.escape(had)}"]`))?.focus();
  }

  /** @param {string} key @param {AbortSignal} signal */
  async function choose(key, signal) {
    const before = run;
    const found = await get(`runs/${encodeURIComponent(key)}`, signal);
    const another = before?.key !== key;
    const atEnd = another || Number(slider.value) === Number(slider.max);
    run = /** @type {RunDetails} */ (found);
    $("run").hidden = false;
    $("run-name").textContent = run.name;
    const illuminated = run.kind === "illumination";
    const what = run.objective.join(", ") + (illuminated ? ` by ${run.measures.join(", ")}` : "");
    $("run-state").textContent = `${what} · ${state(run)}`;
    $("archive").hidden = !illuminated;
    $("scrub").hidden = $("replicates").hidden = illuminated;
    $("run-note").textContent = run.note;
    $("run-note").hidden = !run.note;
    $("stop").hidden = !(run.started_here && run.status === "running");
    for (const button of document.querySelectorAll(".choose-run")) {
      if (button.getAttribute("data-key") === key) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const grown = slider.max;
    slider.max = String(Math.max(run.frames.length - 1, 0));
    if (atEnd) slider.value = slider.max;
    if (another || (atEnd && grown !== slider.max) || !before) await show();
    else mark();
    if (illuminated) await archive.show(run, signal);
  }

  function mark() {
    if (!run) return;
    const generation = run.frames[Number(slider.value)] ?? 0;
    const text = `Generation ${generation} of ${run.generations}`;
    $("frame-value").textContent = text;
    slider.setAttribute("aria-valuetext", text);
    const now = run.kind === "illumination" ? null : generation;
    while ($("curve").children.length < run.curves.length) $("curve").append(h("div"));
    while ($("curve").children.length > run.curves.length) $("curve").lastElementChild.remove();
    run.curves.forEach((curve, i) => (generationAt = drawCurve($("curve").children[i], curve, now)));
  }

  async function show() {
    if (!run) return;
    mark();
    const number = ++asked;
    if (!run.frames.length) return $("replicates").replaceChildren();
    const shown = run;
    const frame = /** @type {Frame} */ (await get(`runs/${encodeURIComponent(run.key)}/frames/${slider.value}`, visit));
    if (number !== asked) return;
    $("replicates").replaceChildren(...frame.cards.map((card, replicate) => h("li", {}, makeCard(card, {
      name: `Replicate ${replicate + 1}`,
      origin: `${shown.name}, generation ${frame.generation}`.slice(0, 40),
      note: frame.fitness[replicate].map((value) => (value === null ? "not finite" : short(value))).join(", "),
      offers: shown.compatible ? ["keep", "sliders", "breed"] : [],
    }))));
  }

  /** @param {boolean} on */
  function setPlaying(on) {
    playing = on;
    $("play").setAttribute("aria-label", on ? "Pause" : "Play");
    $("play").replaceChildren(icon(on ? "pause" : "play"));
  }

  async function play() {
    if (playing) return setPlaying(false);
    setPlaying(true);
    if (slider.value === slider.max) slider.value = "0";
    const signal = visit;
    while (playing && !signal.aborted) {
      await Promise.all([show(), pause(FRAME)]);
      if (slider.value === slider.max) break;
      slider.value = String(Number(slider.value) + 1);
    }
    setPlaying(false);
  }

  slider.oninput = () => attempt(show);
  $("play").onclick = () => attempt(play);
  $("stop").onclick = () =>
    busy($("stop"), () => attempt(() => post(`runs/${encodeURIComponent(run?.key ?? "")}/stop`, {})));
  $("curve").onclick = (/** @type {MouseEvent} */ event) => {
    if (!run?.frames.length) return;
    const wanted = generationAt(event.clientX - $("curve").getBoundingClientRect().left);
    const place = run?.frames.findLastIndex((generation) => generation <= wanted) ?? 0;
    slider.value = String(Math.max(0, place));
    void attempt(show);
  };
  onResize($("curve"), mark);
  return {
    /** @param {AbortSignal} signal @param {string} key */
    enter: async (signal, key) => {
      visit = signal;
      setPlaying(false);
      let wanted = key;
      for (let polls = 0; !signal.aborted; polls++) {
        const runs = /** @type {Run[]|undefined} */ (await attempt(async () => (await get("runs", signal)).runs));
        if (runs) {
          list(runs);
          const known = (/** @type {string|undefined} */ k) => runs.find((one) => one.key === k);
          const starting = wanted !== "" && !known(wanted) && polls < PATIENCE;
          $("runs-starting").hidden = !starting;
          const one = known(wanted) ?? known(run?.key) ?? runs.find(({ status }) => status === "running") ?? runs.at(-1);
          const moved = one && (!polls || one.status === "running" || one.key !== run?.key || one.status !== run.status);
          if (moved && !starting) await attempt(() => choose(one.key, signal));
          if (!starting) wanted = "";
        }
        await pause(POLL);
      }
    },
  };
}

/** @param {Run} run */
const state = (run) => (run.status === "finished" ? `finished, ${run.generation} generations`
  : `${run.status}, generation ${run.generation} of ${run.generations}`);
