/** One latent value at the prior's quantiles, all others as they are: a strip of images. */
import { makeCard } from "./cards.js";
import { $, h } from "./dom.js";
import { makeLive } from "./live.js";
import { report } from "./messages.js";
import { decode, moved } from "./point.js";
import { nameOf } from "./units.js";

/** @typedef {import("./types.js").Card} Card */
/** @typedef {import("./point.js").Point} Point */

/**
 * @param {import("./types.js").Model} model
 * @param {(unit: number, value: number) => void} take
 * @returns {(unit: number, point: Point) => void}  shows the strip; what it shows already is not asked for again
 */
export function makeAcross(model, take) {
  let shown = "";

  const quantiles = new Map(model.units.map((one) => [one.unit, one.quantiles]));

  /** @param {{unit: number, points: Point[]}} asked */
  const send = ({ points }) => decode(model, points);

  /** @param {Card[]} cards @param {{unit: number, points: Point[]}} asked */
  function draw(cards, { unit, points }) {
    const name = nameOf(model, unit);
    const strip = $("across");
    const focused = [...strip.children].findIndex((one) => one.contains(document.activeElement));
    $("across-title").textContent = `${model.directions ? `Direction ${unit}` : name} across the prior`;
    strip.replaceChildren(...cards.map((card, i) => {
      const share = `${Math.round(model.shares[i] * 100)}%`;
      const onclick = () => take(unit, points[i].values[unit]);
      return h("li", {}, makeCard(card, { name: `${name} at ${share}`, note: share, onclick, offers: ["keep", "breed"] }));
    }));
    strip.children[focused]?.querySelector("button")?.focus();
  }

  const show = makeLive(send, draw, (error) => {
    shown = "";
    report(error);
  });
  return (unit, point) => {
    const points = (quantiles.get(unit) ?? []).map((value) => moved(point, unit, value));
    const key = `${unit}: ${JSON.stringify(points[0])}`;
    if (key === shown) return;
    shown = key;
    show({ unit, points });
  };
}
