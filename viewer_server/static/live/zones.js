// The panel's numbers of zones and lines.

/**
 * @import { Definitions } from "../../page"
 * @import { ZoneState } from "../../wire"
 * @typedef {{root: HTMLElement, big: HTMLElement, more: HTMLElement}} Row
 * @typedef {{section: HTMLElement, zones: Map<string, Row>}} Home
 */

import { byId, element } from "../common/dom.js";
import { duration } from "../common/format.js";
import { label } from "../common/names.js";
import { nextOf } from "../common/sorted.js";

export class ZonePanel {
  /** @type {string | null} */
  #only = null;
  /** @type {Map<string, number>} */
  #defined = new Map(); // how many zones and lines there are, by "node/camera"
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
    fill(row, numbers);
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
    this.#defined.set(`${node}/${camera}`, Object.keys(zones).length + Object.keys(lines).length);
    this.#refresh();
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
    for (const map of [this.#cameras, this.#defined, this.#live]) map.delete(id);
    this.#refresh();
  }

  clear() {
    this.#cameras.forEach(({ section }) => section.remove());
    this.#cameras.clear();
    this.#defined.clear();
    this.#live.clear();
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
    const row = { root, big, more };
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

/** @param {Row} row @param {ZoneState} numbers */
function fill({ root, big, more }, numbers) {
  if (numbers.kind === "line") {
    big.replaceChildren(`${numbers.entered}`, small("in"), ` ${numbers.exited}`, small("out"));
    more.replaceChildren();
    return;
  }
  big.replaceChildren(`${numbers.occupancy}`, small("inside"));
  root.dataset.occupancy = String(numbers.occupancy);
  const { dwell, queue } = numbers;
  const parts = [`${numbers.entered} in, ${numbers.exited} out`];
  if (numbers.occupancy) parts.push(`longest ${duration(dwell.ongoing_max_s)}`);
  if (dwell.completed) parts.push(`average stay ${duration(dwell.average_s)}`);
  if (queue) parts.push(`queue of ${queue.length}, waiting ${duration(queue.wait_average_s)}`);
  more.replaceChildren(parts.join(" · "));
  const alerts = [];
  if (numbers.crowded) alerts.push("crowded");
  if (numbers.loitering) alerts.push(`${numbers.loitering} loitering${who(numbers.loitering_ids ?? [])}`);
  if (alerts.length) more.append(" · ", element("span", { class: "alert" }, alerts.join(", ")));
}

/** @param {number[]} ids */
const who = (ids) => ids.length ? ` (${ids.slice(0, 3).map((id) => `#${id}`).join(", ")}${ids.length > 3 ? ", …" : ""})` : "";

/** @param {string} text */
const small = (text) => element("small", {}, text);
