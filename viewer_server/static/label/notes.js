// What the label page tells: a line beside the picture, and notes above it.

import { byId, element } from "../common/dom.js";

/** @param {string} text */
export function say(text) {
  byId("said").textContent = text;
}

/**
 * @param {string} title
 * @param {string} text
 * @param {...HTMLElement} buttons
 */
export function note(title, text, ...buttons) {
  byId("notes").replaceChildren(element("div", { class: "note", role: "alert" },
    element("strong", {}, title), element("p", {}, text), ...(buttons.length ? [element("div", { class: "bar" }, ...buttons)] : [])));
}
