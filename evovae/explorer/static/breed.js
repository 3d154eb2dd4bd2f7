/** Breeding: choose images, make the next generation from them, go back and forward. */
import { moveByArrows } from "./arrows.js";
import { makeCard } from "./cards.js";
import { $, busy, enable, enabled, h } from "./dom.js";
import { announce, attempt } from "./messages.js";
import * as session from "./session.js";
import { plural } from "./text.js";
import { drawTimeline } from "./timeline.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Generation} Generation */

const REASON = "Choose the images you like";

/** @param {Model} model */
export function makeBreed(model) {
  let /** @type {Generation|undefined} */ shown;
  let /** @type {Map<number, Set<number>>} */ choices = new Map(); // by generation, also those not bred from yet
  let chosen = /** @type {Set<number>} */ (new Set());
  const sigma = $("sigma");
  sigma.max = model.largest_sigma;
  sigma.value = model.sigma;
  sigma.oninput = () => ($("sigma-value").textContent = Number(sigma.value).toFixed(2));
  sigma.oninput();
  $("crossover").append(...model.crossovers.map(({ name, label }) => h("option", { value: name }, label)));
  $("crossover").value = model.crossover;
  moveByArrows($("breed-grid"));

  /** @param {Generation} generation */
  function show(generation) {
    shown = generation;
    chosen = choices.get(generation.generation) ?? new Set(generation.selected);
    choices.set(generation.generation, chosen);
    remember(generation.generation);
    const before = generation.parent === null ? [] : session.current().generations[generation.parent].selected;
    $("breed-grid").replaceChildren(...generation.individuals.map((one, place) => {
      const figure = makeCard(one, {
        name: `Image ${place + 1}`,
        origin: `generation ${generation.generation + 1}`,
        badge: before.includes(one.number) ? "parent" : undefined,
        toggle: true,
        onclick: () => toggle(one.number, figure),
        offers: ["keep", "sliders", "ancestors"],
      });
      press(figure, chosen.has(one.number));
      return h("li", {}, figure);
    }));
    tell();
    drawHistory(generation.generation);
  }

  /** @param {number} number @param {HTMLElement} figure */
  function toggle(number, figure) {
    if (!chosen.delete(number)) chosen.add(number);
    press(figure, chosen.has(number));
    tell();
  }

  function tell() {
    enable($("next"), chosen.size > 0);
    $("next-reason").textContent = chosen.size ? `${plural(chosen.size, "image")} chosen` : REASON;
  }

  /** @param {string} how @param {any} body */
  async function grow(how, body) {
    const made = await session.grow(how, body);
    if (how === "breed" && shown) shown.selected = session.current().generations[shown.generation].selected = body.selected;
    show(made);
    if ($("breed-grid").getBoundingClientRect().top < 0) scrollTo(0, 0); // the new images begin above the window
    tellWhere(made.generation);
  }

  /** @param {number} index */
  const visit = (index) => attempt(async () => {
    show(await session.generation(index));
    tellWhere(index);
  });

  /** @param {number} index */
  const tellWhere = (index) => announce(`Generation ${index + 1} of ${session.current().generations.length}`);

  /** @param {number} now */
  function drawHistory(now) {
    const steps = session.current().generations;
    const next = steps.findLastIndex((step) => step.parent === now);
    const back = steps[now].parent;
    $("position").textContent = `Generation ${now + 1} of ${steps.length}`;
    enable($("back"), back !== null);
    enable($("forward"), next >= 0);
    $("back").onclick = () => back !== null && visit(back);
    $("forward").onclick = () => next >= 0 && visit(next);
    drawTimeline($("timeline"), steps, now, visit);
  }

  $("next").onclick = () => {
    if (!chosen.size) return announce(REASON);
    if (!enabled($("next")) || !shown) return;
    const body = { generation: shown.generation, selected: inOrder(shown, chosen), sigma: Number(sigma.value),
      crossover: $("crossover").value };
    void busy($("next"), () => attempt(() => grow("breed", body)));
  };
  $("draw").onclick = () => busy($("draw"), () => attempt(() => grow("draw", {})));
  document.addEventListener("evovae:session", () => {
    shown = undefined;
    choices = new Map();
  });

  return {
    /** @param {AbortSignal} signal */
    enter: async (signal) => {
      const last = session.current().generations.length - 1;
      const wanted = Math.min(remembered() ?? last, last);
      if (shown?.generation !== wanted) show(await session.generation(wanted, signal));
    },
    /** @param {import("./types.js").Genome[]} genomes @param {string} origin */
    begin: (genomes, origin) =>
      grow("start", { genomes, origin: origin.slice(0, 40), sigma: Number(sigma.value) }),
  };
}

/** @param {HTMLElement} figure @param {boolean} on */
const press = (figure, on) => figure.querySelector(".picture")?.setAttribute("aria-pressed", String(on));

/** @param {Generation} generation @param {Set<number>} chosen */
const inOrder = (generation, chosen) => generation.individuals.map((one) => one.number).filter((n) => chosen.has(n));

const STORED = "evovae.generation";
/** Which generation of which session is seen, also after a reload. @param {number} generation */
const remember = (generation) => sessionStorage.setItem(STORED, `${session.current().id} ${generation}`);

function remembered() {
  const [owner, generation] = (sessionStorage.getItem(STORED) ?? "").split(" ");
  return owner === session.current().id ? Number(generation) : undefined;
}
