/** One line at a time for the person: what was done, and what went wrong. */
import { ApiError } from "./api.js";
import { $, h, iconButton } from "./dom.js";

let timer = 0;

/** @param {HTMLElement} place @param {string} text @param {{label: string, act: () => void}} [offer] */
function show(place, text, offer) {
  clear();
  const act = () => {
    clear();
    offer?.act();
  };
  const button = offer && h("button", { type: "button", onclick: act }, offer.label);
  place.replaceChildren(h("span", {}, text), button ?? "", iconButton("remove", "Dismiss", clear));
  place.hidden = false;
}

export function clear() {
  clearTimeout(timer);
  for (const id of ["status", "alert"]) {
    $(id).hidden = true;
    $(id).replaceChildren();
  }
}

/** Something was done; with an offer (such as Undo) the line stays until it is dismissed. */
/** @param {string} text @param {{label: string, act: () => void}} [offer] */
export function say(text, offer) {
  show($("status"), text, offer);
  if (!offer) timer = setTimeout(clear, 6000);
}

/** For those who listen rather than look. @param {string} text */
export function announce(text) {
  $("announce").textContent = text;
}

/** Shows an error, unless the request was given up on purpose or the lost server is announced already. */
/** @param {unknown} error */
export function report(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof ApiError) {
    if (error.status) show($("alert"), error.message);
    return;
  }
  console.error(error);
  show($("alert"), String(error));
}

/** Runs what a person asked for; what goes wrong is said. @param {() => any} work */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    report(error);
  }
}
