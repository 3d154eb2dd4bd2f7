/**
 * The shapes of what the server says (JSON).
 *
 * @typedef {number[]|string} Genome  base64 of float32 where there are many genes
 *
 * @typedef {object} Unit  A slider: of a gene, or along a direction.
 * @property {number} unit
 * @property {number|null} activity
 * @property {boolean} active
 * @property {number} low
 * @property {number} high
 * @property {boolean} even  whether the prior is even between them; else normal about the median, with deviation 1
 * @property {number[]} quantiles  of the prior, at the model's shares
 *
 * @typedef {object} Card  One decoded image.
 * @property {Genome} genome
 * @property {string} pixels  base64 of uint8 in the order H, W, C
 * @property {[number, number, number]} shape  C, H, W
 * @property {number|null} log_prior  nats per gene; null out of the prior's bounds
 * @property {number|null} predicted  the class that the judge sees
 * @property {number|null} held_out  probability, 0..1
 * @property {number|null} typicality  share of the test images that are no more typical, 0..1
 *
 * @typedef {object} Model
 * @property {string} name
 * @property {number} dim
 * @property {boolean} directions  whether sliders move along directions, not genes
 * @property {boolean} curves  whether phenotypes are curves, not images
 * @property {string[]} classes
 * @property {"ready"|"training"|"none"} judges
 * @property {string} judges_word  what there is to know of them
 * @property {string} judges_doubts  why their word counts for little, or ""
 * @property {string} not_typical  why typicality is not measured, or ""
 * @property {number} usual_log_prior  nats per gene, of draws from the prior
 * @property {Unit[]} units  most active first
 * @property {number[]} shares  of the prior, ascending
 * @property {boolean} encodes  whether genomes of pictures can be found
 * @property {string} no_map  why there is no map, or ""
 * @property {number} test_images  that can be begun from
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
 * @property {"evolution"|"illumination"} kind
 * @property {"running"|"finished"|"stopped"} status
 * @property {string[]} objective
 * @property {string[]} measures
 * @property {number} generation
 * @property {number} generations
 * @property {number} replicates
 * @property {boolean} compatible
 * @property {boolean} started_here
 * @typedef {{label: string, minimise: boolean, generation: number[], best: (number|null)[][]}} Curve
 * @typedef {Run & {curves: Curve[], frames: number[], archive: boolean, note: string}} RunDetails
 * @typedef {{generation: number, fitness: number[][], cards: Card[]}} Frame
 *
 * @typedef {{name: string, low: number, high: number, places: number, cells: string[]}} Axis  cells: their names, if any
 *
 * @typedef {object} Archive  Of one replicate; place x * B + y is that of the elite in column x and row y of B.
 * @property {Axis[]} axes  one or two
 * @property {string[]} measures
 * @property {string} label  of the objective
 * @property {number} cells
 * @property {number} filled
 * @property {string} places  base64 of int32
 * @property {string} objective  base64 of float32
 * @property {string|null} pictured  base64 of int32, places whose elites have pictures; null: all have
 * @typedef {{objective: number, measures: number[], card: Card|null}} Elite
 */
export {};
