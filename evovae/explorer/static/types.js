/**
 * The shapes of what the server says (JSON).
 *
 * @typedef {object} Card  One decoded image.
 * @property {number[]} genome
 * @property {string} pixels  base64 of uint8 in the order H, W, C
 * @property {number} log_prior  nats per gene
 * @property {number|null} predicted  the class that the judge sees
 * @property {number|null} held_out  probability, 0..1
 * @property {number|null} typicality  share of the test images that are no more typical, 0..1
 *
 * @typedef {object} Model
 * @property {string} name
 * @property {number} dim
 * @property {[number, number, number]} shape  C, H, W
 * @property {string[]} classes
 * @property {"ready"|"training"|"none"} judges
 * @property {string} judges_word  what there is to know of them
 * @property {string} judges_doubts  why their word counts for little, or ""
 * @property {{unit: number, activity: number, active: boolean}[]} units  most active first
 * @property {{p: number, value: number}[]} quantiles  of the prior, ascending
 * @property {number} limit  sliders go from -limit to limit
 * @property {number} test_images
 * @property {number} size  images in a generation
 * @property {number} sigma
 * @property {number} largest_sigma
 * @property {{name: string, label: string}[]} crossovers
 * @property {string} crossover
 * @property {string[]} objectives
 *
 * @typedef {Card & {number: number, generation: number, parents: number[], origin: string}} Individual
 * @typedef {Card & {number: number, origin: string}} Favourite
 * @typedef {{parent: number|null, how: string, selected: number[]}} Step  how a generation came to be
 * @typedef {Step & {generation: number, sigma: number|null, crossover: string|null, individuals: Individual[]}} Generation
 * @typedef {{id: string, seed: number, generations: Step[], favourites: Favourite[]}} Session
 * @typedef {{original: string, label: number|null, index: number|null, card: Card}} Encoded
 *
 * @typedef {object} Run
 * @property {string} key
 * @property {string} name
 * @property {"running"|"finished"|"stopped"} status
 * @property {string[]} objective
 * @property {number} generation
 * @property {number} generations
 * @property {number} replicates
 * @property {boolean} compatible
 * @property {boolean} started_here
 * @typedef {{label: string, minimise: boolean, generation: number[], best: (number|null)[][]}} Curve
 * @typedef {Run & {curve: Curve, frames: number[]}} RunDetails
 * @typedef {{generation: number, fitness: number[][], cards: Card[]}} Frame
 */
export {};
