// Which things are drawn over the pictures; the browser remembers the choice.

import { element } from "../common/dom.js";

const KEY = "darner.show";
const NAMES = {
  boxes: "Boxes", labels: "Labels", trails: "Trails", zones: "Zones", ignored: "What is ignored", looks: "Where the network looks",
};

/** @typedef {keyof typeof NAMES} Option */

const options = /** @type {Option[]} */ (Object.keys(NAMES));

/** @returns {Partial<Record<Option, boolean>>} */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {}; // the browser has no storage for this page, or something else is stored there
  }
}

const kept = remembered();

/** Whether each kind of thing is drawn. */
export const show = {
  boxes: kept.boxes !== false, labels: kept.labels !== false, trails: kept.trails !== false, zones: kept.zones !== false,
  ignored: kept.ignored === true, looks: kept.looks === true,
};

/**
 * A checkbox for each kind of thing that is drawn.
 * @param {() => void} changed
 */
export function toggles(changed) {
  const labels = options.map((name) => {
    const box = element("input", { type: "checkbox" });
    box.checked = show[name];
    box.addEventListener("change", () => {
      show[name] = box.checked;
      try {
        localStorage.setItem(KEY, JSON.stringify(show));
      } catch {
        // the choice lasts until the page is closed
      }
      changed();
    });
    return element("label", {}, box, NAMES[name]);
  });
  return {
    root: element("fieldset", { class: "toggles" }, element("legend", { class: "unseen" }, "Show on the picture"), ...labels),
    /** Shows the checkbox of one kind of thing only where there is such a thing. @param {Option} name @param {boolean} exists */
    offer(name, exists) {
      labels[options.indexOf(name)].hidden = !exists;
    },
  };
}
