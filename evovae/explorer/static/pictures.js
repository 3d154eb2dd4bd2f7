/** Pictures to be encoded: a test image by number or by chance, a file, or one that is dropped on the view. */
import { get, post } from "./api.js";
import { $, busy } from "./dom.js";
import { attempt } from "./messages.js";

/** @typedef {import("./types.js").Encoded} Encoded */

/** @param {import("./types.js").Model} model @param {(found: Encoded) => void} take */
export function makePictures(model, take) {
  let newest = 0;
  const index = $("test-index");
  index.max = model.test_images - 1;
  $("from-test").hidden = !model.test_images;
  $("from-picture").hidden = !model.encodes;
  $("from-none").hidden = model.encodes;

  /** The answer counts only where nothing else was asked for since. @param {() => Promise<Encoded>} ask */
  const bring = (ask) => attempt(async () => {
    const number = ++newest;
    const found = await ask();
    if (number === newest) take(found);
  });

  /** @param {number} number */
  function takeTest(number) {
    index.value = String(number);
    return bring(() => get(`test/${number}`));
  }

  /** @param {File|undefined} file */
  const takeFile = (file) => file && bring(() => post("encode", file));

  $("test-random").onclick = () =>
    busy($("test-random"), () => takeTest(Math.floor(Math.random() * model.test_images)));
  index.onchange = () => index.value !== "" && index.reportValidity() && takeTest(Number(index.value));
  $("picture-file").onchange = async () => {
    await takeFile($("picture-file").files[0]);
    $("picture-file").value = ""; // the same file can be chosen again
  };
  if (!model.encodes) return { takeTest };
  const view = $("view-sliders");
  const mark = (/** @type {boolean} */ on) => view.classList.toggle("drop", on);
  view.ondragover = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    mark(true);
  };
  view.ondragleave = (/** @type {DragEvent} */ event) => mark(view.contains(/** @type {Node|null} */ (event.relatedTarget)));
  view.ondrop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    mark(false);
    void takeFile(event.dataTransfer?.files[0]);
  };
  return { takeTest };
}
