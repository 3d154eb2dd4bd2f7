/** The ancestors of an image, a row for each generation that they were made in, the newest first. */
import { get } from "./api.js";
import { makeCard } from "./cards.js";
import { $, h } from "./dom.js";
import { attempt } from "./messages.js";
import * as session from "./session.js";
import { plural } from "./text.js";

/** @typedef {import("./types.js").Individual} Individual */

export function makeAncestors() {
  const dialog = /** @type {HTMLDialogElement} */ ($("ancestors"));
  addEventListener("hashchange", () => dialog.close());
  return (/** @type {Individual} */ individual) => attempt(async () => {
    const { individuals } = await get(session.path(`/lineage/${individual.number}`));
    $("ancestors-note").textContent = individuals.length === 1
      ? "It was not bred: it has no ancestors."
      : `${plural(individuals.length - 1, "ancestor")}, the newest first. Hover or focus one to see its parents.`;
    $("ancestors-rows").replaceChildren(...rowsOf(individuals));
    dialog.showModal();
    $("ancestors-title").focus();
  });
}

/** @param {Individual[]} individuals */
function rowsOf(individuals) {
  const figures = /** @type {Map<number, HTMLElement>} */ (new Map());
  const generations = [...new Set(individuals.map((one) => one.generation))].sort((a, b) => b - a);
  return generations.map((generation) => h("li", {},
    h("h3", { class: "quiet-title" }, `Made in generation ${generation + 1}`),
    h("ul", { class: "family" }, ...individuals.filter((one) => one.generation === generation).map((one) => {
      const figure = makeCard(one, { name: `Individual ${one.number}`, note: story(one), offers: ["keep", "sliders"] });
      const mark = (/** @type {boolean} */ on) =>
        one.parents.forEach((parent) => figures.get(parent)?.classList.toggle("is-parent", on));
      figures.set(one.number, figure);
      figure.onmouseenter = figure.onfocus = () => mark(true);
      figure.onmouseleave = figure.onblur = () => mark(false);
      figure.addEventListener("focusin", () => mark(true));
      figure.addEventListener("focusout", () => mark(false));
      return h("li", {}, figure);
    }))));
}

/** @param {Individual} one */
const story = (one) => `${one.number}: ` + (one.parents.length ? `from ${one.parents.join(" and ")}` : one.origin);
