/** Where the sliders are: the values of genes, or how far an image is moved along each direction. */
import { post } from "./api.js";
import { centre } from "./units.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Genome} Genome */
/** @typedef {import("./types.js").Card} Card */
/** @typedef {{base: Genome|null, values: number[]}} Point  base: what is moved, null for the prior's centre, or for genes */

/** The middle of the prior. @param {Model} model @returns {Point} */
export function middle(model) {
  const values = new Array(model.units.length).fill(0);
  for (const one of model.units) values[one.unit] = centre(model, one);
  return { base: null, values };
}

/** Where a genome is. @param {Model} model @param {Genome} genome @returns {Point} */
export function pointOf(model, genome) {
  if (!model.directions) return { base: null, values: /** @type {number[]} */ (genome).slice() };
  return { base: genome, values: new Array(model.units.length).fill(0) };
}

/** @param {Point} point @param {number} unit @param {number} value @returns {Point} */
export const moved = ({ base, values }, unit, value) => ({ base, values: values.with(unit, value) });

/** What is at points of one base. @param {Model} model @param {Point[]} points @returns {Promise<Card[]>} */
export async function decode(model, points) {
  const rows = points.map(({ values }) => values);
  const answer = model.directions ? post("moved", { genome: points[0].base, moves: rows }) : post("images", { genomes: rows });
  return (await answer).cards;
}
