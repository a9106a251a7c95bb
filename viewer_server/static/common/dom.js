// Makes elements without markup: everything from the wire goes in as text.

/** @typedef {Record<string, string | number | boolean | undefined>} Attributes Undefined ones are left out. */

/**
 * @template {Element} T
 * @param {T} made
 * @param {Attributes} attributes
 * @param {(Node | string)[]} children
 */
function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * An element with attributes and children; strings become text.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} name
 * @param {Attributes} attributes
 * @param {...(Node | string)} children
 */
export const element = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);

/**
 * The same for an element of a drawing.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} name
 * @param {Attributes} attributes
 * @param {...(Node | string)} children
 */
export const svg = (name, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

/**
 * @param {string} text
 * @param {(event: MouseEvent) => void} pressed
 * @param {Attributes} attributes
 */
export function button(text, pressed, attributes = {}) {
  const made = element("button", { type: "button", class: "button", ...attributes }, text);
  made.addEventListener("click", pressed);
  return made;
}

/**
 * The canvas's context; every browser that runs this page has it.
 * @param {HTMLCanvasElement} canvas
 */
export const context2d = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * The page's element with this id.
 * @param {string} id
 */
export const byId = (id) => found(id, HTMLElement);

/** @param {string} id */
export const inputById = (id) => found(id, HTMLInputElement);

/** @param {string} id */
export const selectById = (id) => found(id, HTMLSelectElement);

/** @param {string} id */
export const canvasById = (id) => found(id, HTMLCanvasElement);

/** @param {string} id */
export const linkById = (id) => found(id, HTMLAnchorElement);

/** @param {string} id */
export const buttonById = (id) => found(id, HTMLButtonElement);

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 */
function found(id, kind) {
  const known = document.getElementById(id);
  if (known instanceof kind) return known;
  throw new Error(`the page has no ${kind.name} with the id ${id}`);
}

/**
 * An element's HTML children: everything this page makes, except drawings.
 * @param {Element} parent
 */
export const childrenOf = (parent) => /** @type {HTMLElement[]} */ ([...parent.children]);

/**
 * The message of a caught error.
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));
