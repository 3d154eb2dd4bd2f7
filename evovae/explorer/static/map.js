/** The test images' codes in two dimensions: a place is decoded, two places make a path. */
import { get, post } from "./api.js";
import { actions, makeCard } from "./cards.js";
import { $, h, onResize, picked } from "./dom.js";
import { announce, attempt } from "./messages.js";
import { makePath } from "./path.js";
import { colour, drawMarks, makeScatter, readPoints } from "./scatter.js";
import { aClass, className, seen } from "./text.js";

/** @typedef {import("./scatter.js").Spot} Spot */
/** @typedef {import("./path.js").Place} Place */

const REACH = 12; // pixels from the pointer to the image that it means
const POLL = 2000; // milliseconds
const ARROWS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
});

/** @param {string} name @returns {NodeListOf<HTMLInputElement>} */
const radios = (name) => document.querySelectorAll(`input[name=${name}]`);

/** @param {import("./types.js").Model} model @param {(genome: import("./types.js").Genome) => void} setSliders */
export function makeMap(model, setSliders) {
  const /** @type {HTMLCanvasElement} */ cursor = $("cursor");
  const scatter = makeScatter($("points"));
  const maps = /** @type {Record<string, import("./scatter.js").Points>} */ ({});
  let method = ""; // of the map that is shown
  let chosen = false; // whether the person chose it
  let since = 0; // when t-SNE was first seen to be computed
  let near = -1; // the test image that is pointed at
  let byKeys = false;
  let /** @type {Spot} */ cross = { x: 0.5, y: 0.5 };
  let /** @type {Place|null} */ here = null;
  let decoding = new AbortController();

  const path = makePath(redraw);
  const pathMode = () => picked("click") === "path";
  /** @param {number} index */
  const about = (index) => `image ${index}, ${aClass(className(maps[method].labels[index]))}`;

  function redraw() {
    const rings = here?.method === method && !pathMode() ? [here] : [];
    const shownEnds = pathMode() ? path.ends().filter((end) => end.method === method) : [];
    drawMarks(cursor, scatter, { near, rings, ends: shownEnds, cross: byKeys ? cross : null });
  }

  /** Shows which test image is at a place, if one is. @param {Spot} place */
  function probe(place) {
    if (!method) return;
    near = scatter.nearest(place, REACH);
    if (near >= 0) showThumb();
    $("thumb").hidden = near < 0;
    redraw();
  }

  function showThumb() {
    const { x, y } = scatter.toPixel(scatter.point(near));
    const [image, words] = $("thumb").children;
    const source = `api/test/${near}/picture`;
    if (image.getAttribute("src") !== source) image.src = source;
    words.textContent = `test ${about(near)}`;
    const across = x > cursor.clientWidth / 2 ? "- 100% - 12px" : "+ 12px";
    const down = y > cursor.clientHeight / 2 ? "- 100% - 12px" : "+ 12px";
    $("thumb").style.transform = `translate(calc(${x}px ${across}), calc(${y}px ${down}))`;
  }

  function leave() {
    near = -1;
    $("thumb").hidden = true;
    redraw();
  }

  /** @param {string} next */
  function show(next) {
    method = next;
    for (const radio of radios("method")) radio.checked = radio.value === next;
    scatter.show(maps[next]);
    cursor.ariaBusy = "false";
    cross = scatter.inside(cross);
    leave();
  }

  /** @param {Spot} place */
  function pick(place) {
    if (!method) return;
    cross = scatter.inside(place);
    const asked = { x: place.x, y: place.y, method };
    void attempt(() => (pathMode() ? path.add(asked) : decode(asked)));
  }

  /** @param {Place} place */
  async function decode(place) {
    decoding.abort(); // only the newest place counts
    decoding = new AbortController();
    here = place;
    redraw();
    const { card, neighbours } = await post("map/decode", place, decoding.signal);
    $("decoded").replaceChildren(makeCard(card, { name: "This place", origin: "map" }));
    $("neighbours").replaceChildren(...neighbours.map((/** @type {number} */ index) =>
      h("li", {}, neighbour(index))));
    $("found-empty").hidden = true;
    $("around").hidden = false;
    setSliders(card.genome);
    announce(`This place: ${seen(card)}`);
  }

  /** @param {number} index  of a test image */
  function neighbour(index) {
    const name = `Open test ${about(index)}, in sliders`;
    const image = h("img", { src: `api/test/${index}/picture`, alt: "" });
    return h("button", { type: "button", class: "picture", title: name, "aria-label": name, onclick: () => actions.test(index) }, image);
  }

  function changeMode() {
    $("path-options").hidden = $("way").hidden = !pathMode();
    $("found").hidden = pathMode();
    redraw();
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (!method || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") return leave();
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    byKeys = true;
    if (!arrow) return pick(cross);
    const step = event.shiftKey ? 0.1 : 0.01;
    cross = scatter.inside({ x: cross.x + step * arrow[0], y: cross.y + step * arrow[1] });
    probe(cross);
    announce(near < 0 ? "No test image here" : `Test ${about(near)}`);
  }

  /** @param {MouseEvent} event */
  function point(event) {
    byKeys = false;
    const place = scatter.toPlace({ x: event.offsetX, y: event.offsetY });
    probe(place);
    return place;
  }

  /** Waits for t-SNE as long as the view is open. @param {AbortSignal} signal */
  async function enter(signal) {
    let answer = await get("map?method=pca", signal);
    maps.pca ??= readPoints(answer);
    if (!method) show("pca");
    since ||= performance.now();
    while (answer.tsne === "computing") {
      tellWaiting();
      await new Promise((resume) => setTimeout(resume, POLL));
      signal.throwIfAborted();
      answer = await get("map?method=pca", signal);
    }
    if (answer.tsne === "ready" && $("tsne-status").textContent) announce("t-SNE is ready");
    $("tsne-status").textContent = answer.tsne === "failed" ? "t-SNE failed, so there is PCA only." : "";
    if (answer.tsne !== "ready" || maps.tsne) return;
    maps.tsne = readPoints(await get("map?method=tsne", signal));
    radios("method").forEach((radio) => (radio.disabled = false));
    if (!chosen) show("tsne");
  }

  /** The seconds are for the eye: a screen reader would say them all. */
  function tellWaiting() {
    const seconds = `, ${Math.round((performance.now() - since) / 1000)} s`;
    const counter = $("tsne-status").querySelector("span");
    if (counter) counter.textContent = seconds;
    else $("tsne-status").replaceChildren("t-SNE is being computed", h("span", { "aria-hidden": "true" }, seconds));
  }

  for (const [label, name] of model.classes.entries()) {
    const swatch = h("span", { class: "swatch" });
    swatch.style.backgroundColor = `var(${colour(label)})`;
    const box = h("input", { type: "checkbox", checked: true, onchange: () => {
      scatter.toggle(label, box.checked);
      leave();
    } });
    $("classes").append(h("label", {}, box, swatch, name));
  }
  radios("method").forEach((radio) => {
    radio.checked = radio.value === "pca"; // a browser may restore an earlier choice
    radio.disabled = !radio.checked;
    radio.onclick = () => {
      chosen = true;
      if (maps[radio.value]) show(radio.value);
    };
  });
  radios("click").forEach((radio) => (radio.onchange = changeMode));
  cursor.onpointermove = point;
  cursor.onclick = (event) => pick(point(event));
  cursor.onpointerleave = leave;
  cursor.onkeydown = onKey;
  cursor.onfocus = () => {
    byKeys = cursor.matches(":focus-visible");
    if (byKeys) probe(cross);
  };
  cursor.onblur = () => {
    byKeys = false;
    leave();
  };
  onResize($("plane"), () => {
    scatter.draw();
    leave();
  });
  changeMode();
  return { enter };
}
