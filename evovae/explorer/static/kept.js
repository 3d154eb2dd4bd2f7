/** Favourites: look, export, save the session, and start an evolution from them. */
import { post } from "./api.js";
import { makeCard } from "./cards.js";
import { $, busy, enable, enabled, h, iconButton, picked } from "./dom.js";
import { attempt, say } from "./messages.js";
import * as session from "./session.js";
import { plural } from "./text.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Favourite} Favourite */

const FORMATS = { png: "PNG", json: "JSON", safetensors: "safetensors" };
const address = (/** @type {string} */ suffix) => `api/${session.path(suffix)}`;

/** @param {string} command */
async function copy(command) {
  await navigator.clipboard.writeText(command);
  say("Copied.");
}

/** @param {Model} model */
export function makeKept(model) {
  const chosen = /** @type {Set<number>} */ (new Set());
  $("objective").append(...model.objectives.map((name) => h("option", { value: name }, name)));

  function show() {
    const kept = session.current().favourites;
    for (const number of chosen) if (!kept.some((one) => one.number === number)) chosen.delete(number);
    $("keepsakes").replaceChildren(...kept.map((one, place) => h("li", {}, keepsake(one, `Image ${place + 1}`))));
    $("kept-empty").hidden = kept.length > 0;
    $("export-all").hidden = kept.length === 0;
    $("evolve").hidden = kept.length === 0 || model.curves;
    $("evolve-none").hidden = kept.length === 0 || !model.curves;
    for (const link of $("export-all").querySelectorAll("a")) {
      link.href = address(`/favourites/file?format=${link.dataset.format}`);
    }
    $("save-session").href = address("/file");
    tell();
  }

  /** @param {Favourite} one @param {string} name */
  function keepsake(one, name) {
    const figure = makeCard(one, { name, origin: one.origin, note: one.origin, offers: ["sliders", "breed"] });
    const choice = h("input", { type: "checkbox", checked: chosen.has(one.number), "aria-label": `Choose ${name}` });
    choice.onchange = () => {
      if (choice.checked) chosen.add(one.number);
      else chosen.delete(one.number);
      tell();
    };
    figure.querySelector(".actions")?.append(iconButton("remove", `Remove ${name}`, () => attempt(() => remove(one))));
    const links = Object.entries(FORMATS).map(([format, label]) => h("a", { download: "",
      href: address(`/favourites/${one.number}/file?format=${format}`), "aria-label": `${name} as ${label}` }, label));
    figure.append(h("label", { class: "choice" }, choice, "Choose"), h("p", { class: "exports" }, ...links));
    return figure;
  }

  /** @param {Favourite} one */
  async function remove(one) {
    await session.unkeep(one.number);
    say("Removed.", { label: "Undo", act: () => attempt(() => session.keep(one.genome, one.origin)) });
  }

  function tell() {
    const target = picked("use") === "target";
    const fits = target ? chosen.size === 1 : chosen.size >= 1 && chosen.size <= model.size;
    $("objective-field").hidden = target;
    $("evolve-chosen").textContent = `${plural(chosen.size, "image")} chosen`;
    $("evolve-reason").textContent = fits ? "" : target ? "Choose the one image to approach" : "Choose images to begin with";
    enable($("evolve-start"), fits);
  }

  async function start() {
    const settings = Object.fromEntries(["generations", "population", "replicates", "seed"].map((name) =>
      [name, Number($("evolve").elements[name].value)]));
    const body = { favourites: [...chosen], use: picked("use"), objective: $("objective").value, ...settings };
    const { key, command } = await post(session.path("/evolve"), body);
    $("started").replaceChildren(
      h("p", {}, "Started. ", h("a", { href: `#watch/${encodeURIComponent(key)}` }, "Watch it")),
      h("p", {}, h("code", {}, command)),
      h("button", { type: "button", onclick: () => attempt(() => copy(command)) }, "Copy command"),
    );
    $("started").hidden = false;
  }

  for (const radio of document.querySelectorAll("input[name=use]")) radio.addEventListener("change", tell);
  document.addEventListener("evovae:favourites", () => {
    if ($("view-kept").hidden) return;
    const had = document.activeElement;
    show();
    if (had && !had.isConnected) $("title-kept").focus(); // what was removed had the focus
  });
  $("evolve").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (enabled($("evolve-start"))) void busy($("evolve-start"), () => attempt(start));
  };
  $("open-session").onchange = () => attempt(async () => {
    const [file] = $("open-session").files;
    $("open-session").value = "";
    if (!file) return;
    await session.open(file);
    say("The session is open.");
  });
  return { enter: show };
}
