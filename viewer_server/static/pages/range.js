// The chosen camera and range of time; both are in the address, so that a view can be kept and sent to others.

/** @typedef {{fromUs: number, toUs: number, live: boolean}} Range `live`: it ends now. */

/** @import { CameraSummary, ZoneSummary } from "../../wire" */

import { byId, element, inputById, selectById } from "../common/dom.js";
import { cameraOptions } from "./cameras.js";

const MINUTE = 60_000;
/** @type {[string, string, number][]} */
const RANGES = [
  ["15m", "15 minutes", 15 * MINUTE], ["1h", "1 hour", 60 * MINUTE], ["6h", "6 hours", 360 * MINUTE],
  ["24h", "24 hours", 1440 * MINUTE], ["7d", "7 days", 10_080 * MINUTE], ["30d", "30 days", 43_200 * MINUTE],
];
const CUSTOM = "custom";
/** @type {Record<string, number>} */
const EVERY_MS = { "15m": 5000, "1h": 10_000 };

/**
 * A moment in the format of a datetime-local field.
 * @param {number} ms
 */
const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);

export class Choice {
  #camera = selectById("camera");
  #range = selectById("range");
  #from = inputById("from");
  #to = inputById("to");

  /** @param {() => void} changed */
  constructor(changed) {
    const asked = new URLSearchParams(location.search);
    this.camera = asked.get("camera");
    const names = [...RANGES.map(([name, text]) => [name, `Last ${text}`]), [CUSTOM, "From … to …"]];
    this.#range.append(...names.map(([value, text]) => element("option", { value }, text)));
    const range = asked.get("range") ?? "";
    this.#range.value = names.some(([name]) => name === range) ? range : "1h";
    this.#from.value = asked.get("from") ?? local(Date.now() - 1440 * MINUTE);
    this.#to.value = asked.get("to") ?? local(Date.now());
    byId("choice").addEventListener("submit", (event) => event.preventDefault());
    byId("choice").addEventListener("change", () => {
      this.camera = this.#camera.value || null;
      this.#remember();
      changed();
    });
    this.#remember();
  }

  /**
   * Offers the known cameras.
   * @param {CameraSummary[]} cameras
   * @param {ZoneSummary[]} zones Some may be of cameras that are gone.
   */
  offer(cameras, zones) {
    const options = cameraOptions(cameras, zones);
    const names = options.map(([value]) => value);
    const select = this.#camera;
    if (options.join("\n") !== [...select.options].map(({ value, text }) => [value, text]).join("\n")) {
      select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    }
    if (this.camera === null || !names.includes(this.camera)) this.camera = names[0] ?? null;
    if (this.camera) select.value = this.camera;
  }

  /** @returns {Range} */
  range() {
    const found = RANGES.find(([name]) => name === this.#range.value);
    const now = Date.now();
    if (found) return { fromUs: Math.round(now - found[2]) * 1000, toUs: Math.round(now) * 1000, live: true };
    const [from, to] = [this.#from, this.#to].map(({ value }) => new Date(value).getTime());
    if (!(from < to)) throw new Error("The range must end after it begins.");
    return { fromUs: from * 1000, toUs: to * 1000, live: false };
  }

  /** How often the page asks again: for short ranges more often. */
  everyMs() {
    return EVERY_MS[this.#range.value] ?? 30_000;
  }

  #remember() {
    const custom = this.#range.value === CUSTOM;
    for (const label of document.querySelectorAll(".only-custom")) label.toggleAttribute("hidden", !custom);
    const kept = new URLSearchParams({ range: this.#range.value });
    if (this.camera) kept.set("camera", this.camera);
    if (custom) {
      kept.set("from", this.#from.value);
      kept.set("to", this.#to.value);
    }
    history.replaceState(null, "", `?${kept}`);
  }
}
