// The panel's numbers of zones and lines.

/**
 * @import { Definitions } from "../../page"
 * @import { Calendar, ModeState, ZoneState } from "../../wire"
 * @typedef {{root: HTMLElement, big: HTMLElement, more: HTMLElement, path: [string, string, string], numbers: ZoneState | null}} Row
 * @typedef {{section: HTMLElement, zones: Map<string, Row>}} Home
 * @typedef {{calendar?: Calendar | null, mode?: ModeState | null}} Times Of a node.
 */

import { byId, element } from "../common/dom.js";
import { duration } from "../common/format.js";
import { label } from "../common/names.js";
import { own } from "../common/own.js";
import { nextOf } from "../common/sorted.js";
import { short } from "../health/short.js";
import { clockTime } from "../schedules/times.js";

export class ZonePanel {
  /** @type {string | null} */
  #only = null;
  /** @type {Map<string, number>} */
  #defined = new Map(); // how many zones and lines there are, by "node/camera"
  /** @type {Map<string, Map<string, string>>} */
  #schedules = new Map(); // the schedule of each zone and line that has one, by "node/camera"
  /** @type {Map<string, Times>} */
  #times = new Map(); // by node
  /** @type {Map<string, Home>} */
  #cameras = new Map(); // by "node/camera"
  /** @type {Map<string, boolean>} */
  #live = new Map(); // whether the numbers are of now, by "node/camera"

  /**
   * Shows the numbers of a zone or line; null removes them.
   * @param {string} node
   * @param {string} camera
   * @param {string} name
   * @param {ZoneState | null} numbers
   */
  set(node, camera, name, numbers) {
    const id = `${node}/${camera}`;
    if (!numbers) return this.#remove(id, name);
    const home = this.#cameras.get(id) ?? this.#addCamera(id, camera, node);
    const row = home.zones.get(name) ?? this.#addZone(home, [node, camera, name]);
    row.numbers = numbers;
    this.#fill(row);
    this.#refresh();
  }

  /**
   * Sets the definitions of a camera; null when they are gone. Their numbers may arrive later.
   * @param {string} node
   * @param {string} camera
   * @param {Definitions | null} definitions
   */
  define(node, camera, definitions) {
    const { zones = {}, lines = {} } = definitions ?? {};
    const id = `${node}/${camera}`;
    const all = Object.entries({ ...zones, ...lines });
    this.#defined.set(id, all.length);
    this.#schedules.set(id, new Map(all.flatMap(([name, { schedule }]) => (schedule ? [[name, schedule]] : []))));
    this.#cameras.get(id)?.zones.forEach((row) => this.#fill(row));
    this.#refresh();
  }

  /**
   * Takes in what a node says of its calendar and mode.
   * @param {string} node
   * @param {Times} times
   */
  setTimes(node, times) {
    this.#times.set(node, times);
    this.#cameras.forEach(({ zones }) => zones.forEach((row) => { if (row.path[0] === node) this.#fill(row); }));
  }

  /** @param {Row} row */
  #fill(row) {
    if (!row.numbers) return;
    const [node, camera, name] = row.path;
    const { calendar, mode } = this.#times.get(node) ?? {};
    const schedule = this.#schedules.get(`${node}/${camera}`)?.get(name);
    const next = schedule && row.numbers.paused === "schedule" ? own(mode?.schedules, schedule)?.next_change_us : undefined;
    const timezone = mode?.timezone ?? calendar?.timezone;
    fill(row, row.numbers, timezone, next == null ? "" : ` until ${clockTime(next, timezone)}`);
  }

  /**
   * Says whether a camera's numbers are of now, or were left by a run that has ended.
   * @param {string} id "node/camera"
   * @param {boolean} live
   */
  setLive(id, live) {
    this.#live.set(id, live);
    this.#refresh();
  }

  /**
   * Shows the zones and lines of one camera, or of all.
   * @param {string | null} id "node/camera"; null for all.
   */
  only(id) {
    this.#only = id;
    this.#refresh();
  }

  /**
   * Forgets a camera that is not shown any more.
   * @param {string} id "node/camera"
   */
  forget(id) {
    this.#cameras.get(id)?.section.remove();
    for (const map of [this.#cameras, this.#defined, this.#live, this.#schedules]) map.delete(id);
    this.#refresh();
  }

  clear() {
    this.#cameras.forEach(({ section }) => section.remove());
    this.#cameras.clear();
    this.#defined.clear();
    this.#live.clear();
    this.#schedules.clear();
    this.#times.clear();
    this.#refresh();
  }

  /** @param {string} id @param {string} camera @param {string} node */
  #addCamera(id, camera, node) {
    const section = element("div", { class: "camera-zones" }, element("h3", {}, label(node, camera), " · ", label(node)));
    const home = { section, zones: new Map() };
    this.#cameras.set(id, home);
    byId("zones").insertBefore(section, nextOf(this.#cameras, id)?.section ?? null);
    return home;
  }

  /** @param {Home} home @param {[string, string, string]} path Node, camera, zone or line. */
  #addZone(home, path) {
    const name = path[2];
    const big = element("span", { class: "big" });
    const more = element("span", { class: "more" });
    const root = element("div", { class: "zone", "data-zone": name }, element("span", { class: "name" }, label(...path)), big, more);
    /** @type {Row} */
    const row = { root, big, more, path, numbers: null };
    home.zones.set(name, row);
    home.section.insertBefore(root, nextOf(home.zones, name)?.root ?? null);
    return row;
  }

  /** @param {string} id @param {string} name */
  #remove(id, name) {
    const home = this.#cameras.get(id);
    home?.zones.get(name)?.root.remove();
    home?.zones.delete(name);
    if (home?.zones.size === 0) {
      home.section.remove();
      this.#cameras.delete(id);
    }
    this.#refresh();
  }

  #refresh() {
    this.#cameras.forEach(({ section }, id) => {
      section.hidden = this.#only !== null && id !== this.#only;
      section.dataset.live = String(this.#live.get(id) ?? false);
    });
    byId("no-zones").hidden = [...this.#defined].some(([id, count]) => count && (this.#only ?? id) === id);
  }
}

/**
 * @param {Row} row
 * @param {ZoneState} numbers
 * @param {string | null | undefined} timezone
 * @param {string} until When a pause ends, if that is known.
 */
function fill({ root, big, more }, numbers, timezone, until) {
  const { kind, dwell, queue, day, paused } = numbers;
  const isLine = kind === "line";
  root.toggleAttribute("data-paused", paused != null);
  if (!isLine) root.dataset.occupancy = String(numbers.occupancy);
  if (isLine) big.replaceChildren(`${numbers.entered}`, small("in"), ` ${numbers.exited}`, small("out"));
  else big.replaceChildren(paused == null ? `${numbers.occupancy}` : "–", small("inside"));
  const parts = isLine ? [] : [`${numbers.entered} in, ${numbers.exited} out`];
  if (day) parts.push(`since ${clockTime(day.since_us, timezone)}: ${day.entered} in, ${day.exited} out`);
  if (numbers.occupancy) parts.push(`longest ${duration(dwell.ongoing_max_s)}`);
  if (dwell.completed) parts.push(`average stay ${duration(dwell.average_s)}`);
  if (queue) parts.push(`queue of ${queue.length}, waiting ${duration(queue.wait_average_s)}`);
  if (numbers.present === false && paused == null) parts.push("nobody present");
  more.replaceChildren(parts.join(" · "));
  const alerts = [];
  if (paused != null) alerts.push(`paused: ${paused === "schedule" ? `off schedule${until}` : `camera ${short(paused)}`}`);
  if (numbers.present) alerts.push("somebody present");
  if (numbers.crowded) alerts.push("crowded");
  if (numbers.loitering) alerts.push(`${numbers.loitering} loitering${who(numbers.loitering_ids ?? [])}`);
  if (alerts.length) more.append(parts.length ? " · " : "", element("span", { class: paused == null ? "alert" : "pause" }, alerts.join(", ")));
}

/** @param {number[]} ids */
const who = (ids) => ids.length ? ` (${ids.slice(0, 3).map((id) => `#${id}`).join(", ")}${ids.length > 3 ? ", …" : ""})` : "";

/** @param {string} text */
const small = (text) => element("small", {}, text);
