/** How numbers, classes and cards are put into words. */

/** @typedef {import("./types.js").Card} Card */

let /** @type {string[]} */ classes = [];
/** @param {string[]} names */
export const setClasses = (names) => void (classes = names);

let doubts = "";
/** @param {string} words  why the judges' word counts for little, or "" */
export const setDoubts = (words) => void (doubts = words);

/** @param {number} value @param {number} [digits] */
export const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** A number as short as it can be said. @param {number} value */
export const short = (value) => String(Number(value.toPrecision(4))).replace("-", "−");

/** @param {string} text @param {number} most  letters */
export const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** @param {number} count @param {string} one @param {string} [many] */
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** @param {number|null} index */
export const className = (index) => (index === null ? "" : classes[index] ?? String(index));

/** @param {string} name */
const article = (name) => (/^(8|11$|18$|[aeiou])/i.test(name) ? "an" : "a");

/** "8 · 99%", with "?" after it where the judges' word counts for little, or nothing where there is no judge. */
/** @param {Card} card */
export function verdict(card) {
  if (card.predicted === null) return "";
  const sure = card.held_out === null ? "" : ` · ${percent(card.held_out)}`;
  return className(card.predicted) + sure + (doubts ? " ?" : "");
}

/** The same in a sentence. @param {Card} card */
export function judgement(card) {
  if (card.predicted === null) return "";
  return `The judge sees ${aClass(className(card.predicted))}; ` +
    `the held-out judge gives that class ${((card.held_out ?? 0) * 100).toFixed(1)}%${doubts ? ` (${doubts})` : ""}`;
}

/** "53% typical", or what the prior says where typicality is not known. @param {Card} card */
export const typical = (card) => (card.typicality === null ? density(card) : `${percent(card.typicality)} typical`);

/** Whether anything is known of an image but that it is there. @param {Card} card */
const unknown = (card) => card.log_prior === null && card.genome.length === 0;

/** The same in a sentence. @param {Card} card */
export function typicality(card) {
  if (unknown(card)) return "";
  const prior = card.log_prior === null ? "It lies outside of the prior’s bounds"
    : `The prior’s log-density is ${number(card.log_prior)} nats per gene`;
  return card.typicality === null ? prior : `${percent(card.typicality)} of the test images are no more typical. ${prior}`;
}

/** @param {Card} card */
const density = (card) => (unknown(card) ? "" : card.log_prior === null ? "outside the prior" : `log p ${number(card.log_prior)}`);

/** @param {number} share */
function percent(share) {
  if (share > 0 && share < 0.01) return "<1%";
  return `${Math.floor(share * 100 + 0.5)}%`;
}

/** "an 8, 99%", for a name. @param {Card} card */
export function seen(card) {
  if (card.predicted === null) return density(card);
  const name = className(card.predicted);
  return `${article(name)} ${name}${card.held_out === null ? "" : `, ${percent(card.held_out)}`}`;
}

/** @param {string} name */
export const aClass = (name) => `${article(name)} ${name}`;

/** @param {import("./types.js").Model} model */
export function explanation(model) {
  const what = model.curves ? "curve" : "image";
  const judge = "the class that the judge sees, with the held-out judge’s probability of it; and ";
  const density = `log p, the prior’s log-density in nats per gene (about ${number(model.usual_log_prior)} for a draw from it)`;
  if (model.not_typical) {
    return `Under every ${what}: ${model.judges === "ready" ? judge : ""}${density}. ` +
      `Typicality is not measured: ${model.not_typical}. ${model.judges_word}`;
  }
  return `Under every image: ${model.judges === "ready" ? judge : ""}how typical it is, as the share of the test images ` +
    `that lie no nearer to real ones; or ${density}. ${model.judges_word}`;
}
