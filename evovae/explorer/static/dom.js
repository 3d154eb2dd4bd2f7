/** Small helpers for the document. */

/**
 * An element with properties and children; a property with a dash is an attribute, `class` sets className.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node|string|null|undefined)} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/** A symbol of index.html. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows an icon and has a name. @param {string} name @param {string} label @param {() => any} onclick */
export function iconButton(name, label, onclick) {
  return h("button", { type: "button", class: "quiet-button", title: label, "aria-label": label, onclick }, icon(name));
}

/** A button can be focused and says why it does nothing, rather than vanish from the keyboard's way. */
/** @param {HTMLElement} button @param {boolean} possible */
export function enable(button, possible) {
  if (possible) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
}

/** @param {HTMLElement} button */
export const enabled = (button) => !button.hasAttribute("aria-disabled") && !button.hasAttribute("data-working");

/**
 * Does the work once at a time; the button shows that it is busy when that takes longer than 150 ms.
 * @param {HTMLElement} button
 * @param {() => Promise<any>} work
 */
export async function busy(button, work) {
  if (button.hasAttribute("data-working")) return;
  button.setAttribute("data-working", "");
  const slow = setTimeout(() => button.setAttribute("aria-busy", "true"), 150);
  try {
    await work();
  } finally {
    clearTimeout(slow);
    button.removeAttribute("aria-busy");
    button.removeAttribute("data-working");
  }
}

/** A choice among radio buttons. @param {string} name @returns {string} */
export function picked(name) {
  const input = /** @type {HTMLInputElement|null} */ (document.querySelector(`input[name=${name}]:checked`));
  return input ? input.value : "";
}

/** Calls back with the size of an element, at once and whenever it changes. */
/** @param {Element} element @param {() => void} callback */
export function onResize(element, callback) {
  new ResizeObserver(callback).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
}
