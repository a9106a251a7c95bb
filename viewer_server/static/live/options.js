// What is drawn over the pictures; remembered by the browser.

import { element } from "../common/dom.js";

const KEY = "darner.show";
const NAMES = { boxes: "Boxes", labels: "Labels", trails: "Trails", zones: "Zones" };

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // no storage here, or not ours in it
  }
}

export const show = Object.fromEntries(Object.keys(NAMES).map((name) => [name, remembered()[name] !== false]));

/** A checkbox for each. */
export function toggles(changed) {
  return element("fieldset", { class: "toggles" }, element("legend", { class: "unseen" }, "Show on the picture"),
    ...Object.entries(NAMES).map(([name, text]) => {
      const box = element("input", { type: "checkbox" });
      box.checked = show[name];
      box.addEventListener("change", () => {
        show[name] = box.checked;
        try {
          localStorage.setItem(KEY, JSON.stringify(show));
        } catch {
          // then it holds until the page is closed
        }
        changed();
      });
      return element("label", {}, box, text);
    }));
}
