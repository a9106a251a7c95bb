// Which camera and which range of time; both are in the address, so that a view can be kept and sent to others.

import { byId, element } from "../common/dom.js";

const MINUTE = 60_000;
const RANGES = [
  ["15m", "15 minutes", 15 * MINUTE], ["1h", "1 hour", 60 * MINUTE], ["6h", "6 hours", 360 * MINUTE],
  ["24h", "24 hours", 1440 * MINUTE], ["7d", "7 days", 10_080 * MINUTE], ["30d", "30 days", 43_200 * MINUTE],
];

/** Milliseconds as a datetime-local field has them. */
const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);

export class Choice {
  /** @param {() => void} changed */
  constructor(changed) {
    const asked = new URLSearchParams(location.search);
    this.camera = asked.get("camera");
    const names = [...RANGES.map(([name, text]) => [name, `Last ${text}`]), ["custom", "From … to …"]];
    byId("range").append(...names.map(([value, text]) => element("option", { value }, text)));
    byId("range").value = names.some(([name]) => name === asked.get("range")) ? asked.get("range") : "1h";
    byId("from").value = asked.get("from") ?? local(Date.now() - 1440 * MINUTE);
    byId("to").value = asked.get("to") ?? local(Date.now());
    byId("choice").addEventListener("submit", (event) => event.preventDefault());
    byId("choice").addEventListener("change", () => {
      this.camera = byId("camera").value || null;
      this.#remember();
      changed();
    });
    this.#remember();
  }

  /** Cameras to choose from: anything with a node and a camera. */
  offer(known) {
    const names = [...new Set(known.map((one) => `${one.node}/${one.camera}`))].sort();
    const select = byId("camera");
    if (names.join() !== [...select.options].map((option) => option.value).join()) {
      select.replaceChildren(...names.map((value) => element("option", { value }, value.split("/").reverse().join(" · "))));
    }
    if (!names.includes(this.camera)) this.camera = names[0] ?? null;
    if (this.camera) select.value = this.camera;
  }

  range() {
    const found = RANGES.find(([name]) => name === byId("range").value);
    const now = Date.now();
    if (found) return { fromUs: Math.round(now - found[2]) * 1000, toUs: Math.round(now) * 1000, live: true };
    const [from, to] = ["from", "to"].map((id) => new Date(byId(id).value).getTime());
    if (!(from < to)) throw new Error("The range must end after it begins.");
    return { fromUs: from * 1000, toUs: to * 1000, live: false };
  }

  /** Short ranges are kept up more often. */
  everyMs() {
    return { "15m": 5000, "1h": 10_000 }[byId("range").value] ?? 30_000;
  }

  #remember() {
    const custom = byId("range").value === "custom";
    document.querySelectorAll(".only-custom").forEach((label) => { label.hidden = !custom; });
    const kept = new URLSearchParams({ range: byId("range").value });
    if (this.camera) kept.set("camera", this.camera);
    if (custom) for (const id of ["from", "to"]) kept.set(id, byId(id).value);
    history.replaceState(null, "", `?${kept}`);
  }
}
