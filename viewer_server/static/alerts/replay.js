// What a rule would have done: its alerts over the stored history, with their pictures.

/** @import { RuleDefinition, RuleReplay } from "../../wire" */

import { byId, element, messageOf, selectById } from "../common/dom.js";
import { named } from "../common/names.js";
import { askInPlace } from "../common/rest.js";
import { snapshot } from "../lists/timeline.js";
import { moment } from "../pages/axes.js";

const DAY_US = 86_400_000_000;
const PATIENCE_MS = 30_000;
const many = new Intl.NumberFormat("en");

export class Replay {
  #asked = new AbortController();
  /** @type {(() => void) | null} */
  #again = null;

  constructor() {
    selectById("span").addEventListener("change", () => this.#again?.());
  }

  /** @param {string} node @param {string} id @param {RuleDefinition} rule As it is now. */
  open(node, id, rule) {
    this.#again = () => void this.#run(node, id, rule);
    byId("past").hidden = false;
    byId("past-title").focus();
    this.#again();
  }

  /** Takes away what is shown: the rule is another one now. */
  outdate() {
    if (!this.#again) return;
    this.#asked.abort();
    this.#again = null;
    byId("hits").replaceChildren();
    byId("past-said").textContent = "The rule has been changed since: ask once more.";
  }

  close() {
    this.#asked.abort();
    this.#again = null;
    byId("past").hidden = true;
  }

  /** @param {string} node @param {string} id @param {RuleDefinition} rule */
  async #run(node, id, rule) {
    this.#asked.abort(); // the viewer stops what nobody waits for
    const { signal } = (this.#asked = new AbortController());
    byId("past-said").textContent = "The viewer goes through its history. It tries one rule at a time.";
    byId("hits").replaceChildren();
    const to = Date.now() * 1000;
    try {
      /** @type {RuleReplay} */
      const found = await askInPlace(`rules/${node}/replay`, { id, rule, from_us: to - Number(selectById("span").value) * DAY_US, to_us: to }, PATIENCE_MS, signal);
      if (!signal.aborted) show(found);
    } catch (error) {
      if (!signal.aborted) byId("past-said").textContent = messageOf(error);
    }
  }
}

/** @param {RuleReplay} found */
function show({ total, held_back: held, events, hits, notes, begins_us: begins, ends_us: ends }) {
  const alerts = total === 0 ? "No alert" : total === 1 ? "1 alert" : `${many.format(total)} alerts`;
  const back = held ? `; ${many.format(held)} more held back, because they came too soon after another` : "";
  const some = total > hits.length ? ` The newest ${hits.length} are shown.` : "";
  const at = (/** @type {number} */ us) => moment(us / 1000, 1000);
  const cut = [...begins === null ? [] : [`There are too many events: it looked only at those since ${at(begins)}.`],
    ...ends === null ? [] : [`Time was up: it looked only at events until ${at(ends)}, and perhaps not at every camera. Try a shorter range, or fewer cameras.`]];
  byId("past-said").replaceChildren(`${alerts} in ${many.format(events)} events${back}.${some}`, ...[...cut, ...notes].map((note) => element("span", { class: "note-line" }, note)));
  byId("hits").replaceChildren(...hits.map((hit) => {
    const ms = hit.occurred_us / 1000;
    const when = element("time", { datetime: new Date(ms).toISOString() }, moment(ms, 1000));
    return element("li", {}, snapshot(hit.picture_url, `Picture: ${hit.text}`), element("div", {}, element("p", { class: "what" }, hit.text),
      element("p", { class: "quiet" }, when, ...(hit.camera ? [" · ", named(hit.camera_name, hit.camera)] : []))));
  }));
}
