// The form of the filters: which detections of a class are dropped by their numbers.

/**
 * @import { FilterDefinition } from "../../wire"
 * @import { Draft } from "./draft.js"
 * @typedef {keyof FilterDefinition} Key
 */

import { button, element } from "../common/dom.js";
import { classBox, number } from "./form.js";

/** @type {[Key, string, string, number][]} Key, label, unit, and how many units make 1 on the wire. */
const FIELDS = [
  ["min_size", "Smaller than", "% of height", 100],
  ["max_size", "Larger than", "% of height", 100],
  ["min_aspect", "Narrower than", ": 1", 1],
  ["max_aspect", "Wider than", ": 1", 1],
  ["score", "Score below", "%", 100],
];

/**
 * @param {Draft} draft
 * @param {string[]} classes The model's; empty when they are not known.
 * @param {() => void} changed Called when a number has changed.
 * @param {() => void} rebuilt Called when a filter was added or removed, and the form must be built again.
 */
export function filterForm(draft, classes, changed, rebuilt) {
  const box = classBox(["all", ...classes], "all, or a class");
  const add = () => {
    const name = box.input.value.trim();
    if (!name || name in draft.filters) return;
    draft.edit(() => { draft.filters[name] = none(); });
    rebuilt();
  };
  box.input.addEventListener("keydown", (event) => event.key === "Enter" && add());
  box.input.setAttribute("aria-label", "Class to filter");
  return element("div", { class: "filters" },
    element("p", { class: "quiet" }, "Size is the longer side of a box, in % of the picture's height. Narrower and wider compare its width with its height. " +
      "A bound of “all” holds for each class that does not set that bound itself."),
    ...Object.keys(draft.filters).map((name) => one(draft, name, changed, rebuilt)),
    element("div", { class: "field" }, box.input, box.list, button("Add a filter", add)));
}

/** @returns {FilterDefinition} */
const none = () => ({ min_size: null, max_size: null, min_aspect: null, max_aspect: null, score: null });

/**
 * @param {Draft} draft
 * @param {string} name Of a class.
 * @param {() => void} changed
 * @param {() => void} rebuilt
 */
function one(draft, name, changed, rebuilt) {
  const remove = button("Remove", () => {
    draft.edit(() => { delete draft.filters[name]; });
    rebuilt();
  }, { "aria-label": `Remove the filter of ${name}` });
  const fields = FIELDS.map(([key, label, unit, factor]) => {
    const value = draft.filters[name][key];
    /** @param {number | null} typed */
    const set = (typed) => {
      draft.edit(() => { draft.filters[name][key] = typed === null ? null : Math.round((typed / factor) * 1e6) / 1e6; }, `${name}-${key}`);
      changed();
    };
    return number(label, value === null ? null : Math.round(value * factor * 1e4) / 1e4, unit, set, key === "score" ? { max: 100 } : {});
  });
  return element("fieldset", { class: "filter" },
    element("legend", {}, name === "all" ? "Drop boxes of any class that are" : `Drop boxes of ${name} that are`), ...fields,
    element("div", { class: "row" }, remove, element("span", { class: "quiet", "data-filter": name })));
}
