/** The colours of values: viridis, even to the eye and to those who see few colours. */

const VIRIDIS = ["#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d", "#2c728e", "#26828e", "#21918c",
  "#1fa088", "#28ae80", "#3fbc73", "#5ec962", "#84d44b", "#addc30", "#d8e219", "#fde725"]
  .map((name) => [1, 3, 5].map((at) => parseInt(name.slice(at, at + 2), 16)));

/** Red, green and blue, 0 to 255. @param {number} share  from 0, the lowest, to 1 @returns {number[]} */
export function colourOf(share) {
  const place = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const before = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return VIRIDIS[before].map((value, i) => Math.round(value + (VIRIDIS[before + 1][i] - value) * (place - before)));
}

/** @param {number[]} rgb */
export const css = (rgb) => `rgb(${rgb.join(" ")})`;

/** All of them from left to right, for a style sheet. */
export const ramp = () => `linear-gradient(to right, ${VIRIDIS.map(css).join(", ")})`;
