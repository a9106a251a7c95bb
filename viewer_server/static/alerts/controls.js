// The controls of a rule's sentence: each stands among words, and has a label of its own.

/** @typedef {[string, string][]} Options Value and text of each. */

import { element } from "../common/dom.js";

/**
 * A choice.
 * @param {string} name What a screen reader calls it; its key, too, by which it keeps the focus.
 * @param {Options | Map<string, Options>} options Or groups of them, by title.
 * @param {string} value
 * @param {(value: string) => void} set
 */
export function choice(name, options, value, set) {
  const made = element("select", { "aria-label": name, "data-key": name });
  const groups = options instanceof Map ? [...options] : /** @type {[string, Options][]} */ ([["", options]]);
  for (const [title, some] of groups) {
    const inside = some.map(([one, text]) => element("option", { value: one }, text));
    if (title) made.append(element("optgroup", { label: title }, ...inside));
    else made.append(...inside);
  }
  if (![...made.options].some((option) => option.value === value)) made.append(element("option", { value }, value));
  made.value = value;
  made.addEventListener("change", () => set(made.value));
  return made;
}

/**
 * A choice of any number of things: a choice for each, and a button for one more.
 * @param {string} name
 * @param {string} any What stands for all of them, or for none.
 * @param {Options} options
 * @param {readonly string[]} chosen
 * @param {(chosen: string[]) => void} set
 * @returns {Node[]}
 */
export function several(name, any, options, chosen, set) {
  if (!chosen.length) return [choice(name, [["", any], ...options], "", (value) => set(value ? [value] : []))];
  /** @type {Node[]} */
  const parts = [];
  chosen.forEach((value, index) => {
    const free = options.filter(([one]) => one === value || !chosen.includes(one));
    const none = /** @type {[string, string]} */ (["", chosen.length === 1 ? any : "(not this)"]);
    if (index) parts.push(word("or"));
    parts.push(choice(index ? `${name} ${index + 1}` : name, [none, ...free], value,
      (now) => set(chosen.map((one, at) => (at === index ? now : one)).filter(Boolean))));
  });
  const left = options.filter(([one]) => !chosen.includes(one));
  if (left.length) {
    const more = element("button", { type: "button", class: "add", "aria-label": `Another ${name.toLowerCase()}`, title: `Another ${name.toLowerCase()}`,
      "data-key": `${name}+` }, "+");
    more.addEventListener("click", () => set([...chosen, left[0][0]]));
    parts.push(more);
  }
  return parts;
}

/**
 * A number with its unit. What is not valid changes nothing.
 * @param {string} name
 * @param {number | null} value
 * @param {string} unit
 * @param {(value: number | null) => void} set
 * @param {{min?: number, max?: number, step?: number | "any"}} range
 */
export function number(name, value, unit, set, { min = 0, max = 604_800, step = "any" } = {}) {
  const made = element("input", { type: "number", "aria-label": unit ? `${name}, ${unit}` : name, "data-key": name, min, max, step, value: value ?? "",
    inputmode: step === 1 ? "numeric" : "decimal" });
  made.addEventListener("input", () => { if (made.validity.valid) set(made.value === "" ? null : Number(made.value)); });
  return element("span", { class: "with-unit" }, made, ...(unit ? [` ${unit}`] : []));
}

/** @param {string} text */
export const word = (text) => element("span", { class: "word" }, text);

/**
 * A control with its label above it.
 * @param {string} text
 * @param {HTMLElement} control
 */
export const labelled = (text, control) => element("label", {}, text, control);
