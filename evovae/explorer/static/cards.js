/** An image with what the judge and the prior say of it, and the quiet actions that every image has. */
import { h, iconButton } from "./dom.js";
import { newCanvas, paint } from "./pixels.js";
import * as session from "./session.js";
import { attempt, say } from "./messages.js";
import { judgement, seen, typical, typicality, verdict } from "./text.js";

/** @typedef {import("./types.js").Card} Card */

/** What other views do with an image; main.js sets them. */
export const actions = {
  sliders: (/** @type {Card} */ _card) => {},
  breed: (/** @type {Card[]} */ _cards, /** @type {string} */ _origin) => {},
  ancestors: (/** @type {any} */ _individual) => {},
  test: (/** @type {number} */ _index) => {},
};

/**
 * @typedef {object} Options
 * @property {string} name  such as "Image 7"
 * @property {string} [origin]  where the image comes from, for the shelf
 * @property {string} [note]  a line of its own under the image
 * @property {string} [badge]  a word on the image
 * @property {() => void} [onclick]  makes the picture a button
 * @property {boolean} [toggle]  that button is pressed or not
 * @property {("keep"|"sliders"|"breed"|"ancestors")[]} [offers]
 */

const ALL = /** @type {const} */ (["keep", "sliders", "breed"]);

/** @param {Card} card @param {Options} options @returns {HTMLElement} */
export function makeCard(card, { name, origin = name, note, badge, onclick, toggle, offers = [...ALL] }) {
  const canvas = newCanvas();
  const about = [named(name + (badge ? ` (${badge})` : ""), card), note].filter(Boolean).join("; ");
  paint(canvas, card.pixels, card.shape);
  canvas.setAttribute("aria-label", about);
  const picture = onclick
    ? h("button", { type: "button", class: "picture", "aria-label": about, onclick }, canvas)
    : h("div", { class: "picture" }, canvas);
  if (toggle) picture.setAttribute("aria-pressed", "false");
  if (badge) picture.append(h("span", { class: "badge", "aria-hidden": "true" }, badge));
  const caption = h("figcaption", {}, note ? h("span", { class: "note" }, note) : null, ...captionParts(card));
  const tools = h("div", { class: "actions" }, ...offers.map((offer) => makeAction(offer, card, name, origin)));
  return h("figure", { class: "card" }, picture, caption, tools);
}

/** @param {Card} card */
function captionParts(card) {
  return [
    h("span", { class: "verdict", title: judgement(card) }, verdict(card)), // empty until there are judges
    h("span", { class: "typical", title: typicality(card) }, typical(card)),
  ];
}

/** Names a figure after what it shows. @param {HTMLElement} figure @param {Card} card @param {string} name */
export const describe = (figure, card, name) =>
  figure.querySelector("canvas")?.setAttribute("aria-label", named(name, card));

/** @param {string} name @param {Card} card */
const named = (name, card) => [name, seen(card)].filter(Boolean).join(": ");

/** Puts another card's image and words in place, and little else: this runs while a slider moves. */
/** @param {HTMLElement} figure @param {Card} card */
export function repaint(figure, card) {
  paint(/** @type {HTMLCanvasElement} */ (figure.querySelector("canvas")), card.pixels, card.shape);
  const judged = /** @type {HTMLElement} */ (figure.querySelector(".verdict"));
  const words = /** @type {HTMLElement} */ (figure.querySelector(".typical"));
  judged.textContent = verdict(card);
  judged.title = judgement(card);
  words.textContent = typical(card);
  words.title = typicality(card);
}

/** @param {string} offer @param {Card} card @param {string} name @param {string} origin */
function makeAction(offer, card, name, origin) {
  if (offer === "sliders") return iconButton("sliders", `Open ${name} in sliders`, () => actions.sliders(card));
  if (offer === "breed") return iconButton("breed", `Breed from ${name}`, () => actions.breed([card], origin));
  if (offer === "ancestors") return iconButton("ancestors", `Show ancestors of ${name}`, () => actions.ancestors(card));
  const button = iconButton("keep", `Keep ${name}`, () => attempt(() => toggleKept(card, origin)));
  keepers.set(button, card);
  button.classList.add("keeper");
  showKept(button);
  return button;
}

/** @param {Card} card @param {string} origin */
async function toggleKept(card, origin) {
  const kept = session.favourite(card.genome);
  if (kept) await session.unkeep(kept.number);
  else {
    await session.keep(card.genome, origin.slice(0, 40));
    say("Kept.");
  }
}

/** Whose genome a button keeps. @type {WeakMap<Element, Card>} */
const keepers = new WeakMap();

/** @param {Element} button */
function showKept(button) {
  const card = keepers.get(button);
  if (card) button.setAttribute("aria-pressed", String(Boolean(session.favourite(card.genome))));
}

/** Hearts show whether what is beside them is kept. */
export const refreshKept = () => document.querySelectorAll(".keeper").forEach(showKept);
document.addEventListener("evovae:favourites", refreshKept);
