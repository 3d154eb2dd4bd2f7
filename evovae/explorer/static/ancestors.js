/** The ancestors of an image, a row for each generation that they were made in, the newest first. */
import { get } from "./api.js";
import { makeCard } from "./cards.js";
import { $, h, onResize } from "./dom.js";
import { attempt } from "./messages.js";
import * as session from "./session.js";
import { plural } from "./text.js";

/** @typedef {import("./types.js").Individual} Individual */
/** @typedef {{one: Individual, figure: HTMLElement}} Relative */

const MOST_LINES = 200; // more of them hide one another: then there are those of the one that is pointed at

export function makeAncestors() {
  const dialog = /** @type {HTMLDialogElement} */ ($("ancestors"));
  const rows = $("ancestors-rows");
  const tree = $("ancestors-tree");
  let /** @type {Map<number, Relative>} */ family = new Map();
  let /** @type {Individual|null} */ near = null;
  onResize(tree, drawLines);

  function drawLines() {
    tree.querySelector(".descent")?.remove();
    const box = tree.getBoundingClientRect();
    const lines = [...family.values()].flatMap(({ one }) => one.parents.map((parent) => ({ one, parent })));
    const seen = lines.length > MOST_LINES ? lines.filter(({ one }) => one === near) : lines;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "descent");
    svg.setAttribute("aria-hidden", "true");
    for (const { one, parent } of seen) {
      const from = family.get(one.number)?.figure.getBoundingClientRect();
      const to = family.get(parent)?.figure.getBoundingClientRect();
      if (!from || !to) continue;
      const [x, y] = [from.left + from.width / 2 - box.left, from.bottom - box.top];
      const [u, v] = [to.left + to.width / 2 - box.left, to.top - box.top];
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("d", `M${x} ${y}C${x} ${(y + v) / 2} ${u} ${(y + v) / 2} ${u} ${v}`);
      if (one === near) line.setAttribute("class", "near");
      svg.append(line);
    }
    tree.prepend(svg);
  }

  /** @param {Individual|null} one  whose parents are marked */
  function mark(one) {
    near = one;
    for (const [number, { figure }] of family) figure.classList.toggle("is-parent", Boolean(one?.parents.includes(number)));
    drawLines();
  }

  /** @param {Individual} one */
  function relative(one) {
    const figure = makeCard(one, { name: `Individual ${one.number}`, origin: `generation ${one.generation + 1}`, note: story(one) });
    figure.onmouseenter = () => mark(one);
    figure.onmouseleave = () => mark(null);
    figure.addEventListener("focusin", () => mark(one));
    figure.addEventListener("focusout", () => mark(null));
    family.set(one.number, { one, figure });
    return h("li", {}, figure);
  }

  return (/** @type {Individual} */ individual) => attempt(async () => {
    const individuals = /** @type {Individual[]} */ ((await get(session.path(`/lineage/${individual.number}`))).individuals);
    const generations = [...new Set(individuals.map((one) => one.generation))].sort((a, b) => b - a);
    family = new Map();
    near = null;
    $("ancestors-note").textContent = individuals.length === 1
      ? "It was not bred: it has no ancestors."
      : `${plural(individuals.length - 1, "ancestor")}, the newest first. Hover or focus one to see its parents.`;
    rows.replaceChildren(...generations.map((generation) => h("li", {},
      h("h3", { class: "quiet-title" }, `Made in generation ${generation + 1}`),
      h("ul", { class: "family" }, ...individuals.filter((one) => one.generation === generation).map(relative)))));
    dialog.showModal();
    dialog.scrollTop = 0;
    $("ancestors-title").focus({ preventScroll: true });
    drawLines();
  });
}

/** @param {Individual} one */
const story = (one) => `${one.number}: ` + (one.parents.length ? `from ${one.parents.join(" and ")}` : one.origin);
