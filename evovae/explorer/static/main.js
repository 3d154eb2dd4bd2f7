/** Where the page begins: model, session, views, and which of them is seen. */
import { get } from "./api.js";
import { makeAncestors } from "./ancestors.js";
import { makeBreed } from "./breed.js";
import { actions } from "./cards.js";
import { $ } from "./dom.js";
import { makeKept } from "./kept.js";
import { makeMap } from "./map.js";
import { attempt, clear, report } from "./messages.js";
import * as session from "./session.js";
import { makeSliders } from "./sliders.js";
import { explanation, setClasses, setDoubts } from "./text.js";
import { makeWatch } from "./watch.js";

/** @typedef {{enter: (signal: AbortSignal, argument: string) => any}} View */

const POLL = 3000;

let /** @type {Record<string, View>} */ views = {};
let visit = new AbortController();

/** Shows the view that the address names; `#watch/KEY` passes KEY on. @param {boolean} byPerson */
function route(byPerson) {
  const [wanted, argument = ""] = decodeURIComponent(location.hash.slice(1)).split("/");
  const name = wanted in views ? wanted : "breed";
  visit.abort(); // whatever the view that is left still waits for
  visit = new AbortController();
  for (const section of document.querySelectorAll("section.view")) {
    /** @type {HTMLElement} */ (section).hidden = section.id !== `view-${name}`;
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const heading = /** @type {HTMLElement} */ (document.querySelector(`#view-${name} h1`));
  document.title = `${heading.textContent} · evovae explorer`;
  document.body.dataset.view = name;
  if (byPerson) {
    clear();
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }
  const { signal } = visit;
  void attempt(() => views[name].enter(signal, argument));
}

/** @param {string} address  such as "sliders" or "watch/KEY" */
export function go(address) {
  if (location.hash === `#${address}`) route(true);
  else location.hash = address;
}

/** @param {string} view  that an image was taken to */
function leaveFor(view) {
  $("ancestors").close();
  go(view);
}

function countKept() {
  const count = session.current().favourites.length;
  $("kept-count").textContent = count ? `(${count})` : "";
}

/** In the place of a map: why there is none. @param {string} reason @returns {View} */
function noMap(reason) {
  $("no-map").textContent = reason;
  $("no-map").hidden = false;
  for (const part of document.querySelectorAll("#view-map .head p, #view-map .chart, #view-map .legend, #view-map .found")) {
    /** @type {HTMLElement} */ (part).hidden = true;
  }
  return { enter: () => {} };
}

/** Says what there is to know of the judges, and again when they are trained. @param {import("./types.js").Model} model */
async function introduce(model) {
  setDoubts(model.judges_doubts);
  $("explain").textContent = explanation(model);
  if (model.judges !== "training") return;
  let now = model;
  while (now.judges === "training") {
    await new Promise((resume) => setTimeout(resume, POLL));
    now = await get("model").catch(() => now);
  }
  await introduce(now);
  document.dispatchEvent(new CustomEvent("evovae:found")); // images are shown again, with what the judges say
}

async function begin() {
  const model = await get("model");
  setClasses(model.classes);
  $("model-name").textContent = model.name;
  document.addEventListener("evovae:favourites", countKept);
  await session.start();
  const breed = makeBreed(model);
  const sliders = makeSliders(model);
  views = { breed, sliders, map: model.no_map ? noMap(model.no_map) : makeMap(model, sliders.set), watch: makeWatch(), kept: makeKept(model) };
  actions.ancestors = makeAncestors();
  actions.sliders = (card) => {
    sliders.set(card.genome);
    leaveFor("sliders");
  };
  actions.test = (index) => {
    void sliders.takeTest(index);
    leaveFor("sliders");
  };
  actions.breed = (cards, origin) => attempt(() => breed.begin(cards.map(({ genome }) => genome), origin).then(() => leaveFor("breed")));
  addEventListener("hashchange", () => route(true));
  document.addEventListener("evovae:found", () => attempt(() => session.resume().then(() => route(false))));
  document.addEventListener("evovae:session", () => route(false));
  $("skip").onclick = (/** @type {Event} */ event) => {
    event.preventDefault(); // the address names the view
    $("main").focus();
  };
  route(false);
  void introduce(model);
}

begin().catch(report);
