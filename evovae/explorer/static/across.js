/** One latent value at the prior's quantiles, all others as they are: a strip of images. */
import { post } from "./api.js";
import { makeCard } from "./cards.js";
import { $, h } from "./dom.js";
import { makeLive } from "./live.js";
import { report } from "./messages.js";

/** @typedef {import("./types.js").Card} Card */

/**
 * @param {import("./types.js").Model} model
 * @param {(unit: number, value: number) => void} take
 * @returns {(unit: number, genome: number[]) => void}  shows the strip; what it shows already is not asked for again
 */
export function makeAcross(model, take) {
  let shown = "";

  /** @param {{unit: number, genomes: number[][]}} asked */
  const send = async ({ genomes }) => (await post("images", { genomes })).cards;

  /** @param {Card[]} cards @param {{unit: number}} asked */
  function draw(cards, { unit }) {
    const strip = $("across");
    const focused = [...strip.children].findIndex((one) => one.contains(document.activeElement));
    $("across-title").textContent = `z${unit} across the prior`;
    strip.replaceChildren(...cards.map((card, i) => {
      const { p, value } = model.quantiles[i];
      const share = `${Math.round(p * 100)}%`;
      const onclick = () => take(unit, value);
      return h("li", {}, makeCard(card, { name: `z${unit} at ${share}`, note: share, onclick, offers: ["keep", "breed"] }));
    }));
    strip.children[focused]?.querySelector("button")?.focus();
  }

  const show = makeLive(send, draw, (error) => {
    shown = "";
    report(error);
  });
  return (unit, genome) => {
    const genomes = model.quantiles.map(({ value }) => genome.with(unit, value));
    const key = `${unit}: ${genomes[0]}`;
    if (key === shown) return;
    shown = key;
    show({ unit, genomes });
  };
}
