// The panel's zone numbers.

import { byId, element } from "../common/dom.js";
import { duration } from "../common/format.js";

export class ZonePanel {
  #only = null;
  #defined = new Map(); // "node/camera" -> how many zones and lines there are
  #cameras = new Map(); // "node/camera" -> {section, zones: Map(name -> row)}

  /** Numbers of a zone or line; null when it is gone. */
  set(node, camera, name, numbers) {
    const id = `${node}/${camera}`;
    if (!numbers) return this.#remove(id, name);
    const home = this.#cameras.get(id) ?? this.#addCamera(id, camera, node);
    const row = home.zones.get(name) ?? this.#addZone(home, name);
    fill(row, numbers);
    this.#refresh();
  }

  /** The definitions in force on a camera; null when there are none any more. Their numbers may come later. */
  define(node, camera, definitions) {
    const { zones = {}, lines = {} } = definitions ?? {};
    this.#defined.set(`${node}/${camera}`, Object.keys(zones).length + Object.keys(lines).length);
    this.#refresh();
  }

  /** Show those of one camera ("node/camera"), or of all (null). */
  only(id) {
    this.#only = id;
    this.#refresh();
  }

  clear() {
    this.#cameras.forEach(({ section }) => section.remove());
    this.#cameras.clear();
    this.#defined.clear();
    this.#refresh();
  }

  #addCamera(id, camera, node) {
    const section = element("div", { class: "camera-zones" }, element("h3", {}, `${camera} · ${node}`));
    const home = { section, zones: new Map() };
    this.#cameras.set(id, home);
    const sorted = [...this.#cameras.keys()].sort();
    const next = this.#cameras.get(sorted[sorted.indexOf(id) + 1]);
    byId("zones").insertBefore(section, next ? next.section : null);
    return home;
  }

  #addZone(home, name) {
    const big = element("span", { class: "big" });
    const more = element("span", { class: "more" });
    const root = element("div", { class: "zone" }, element("span", { class: "name" }, name), big, more);
    root.dataset.zone = name;
    const row = { root, big, more };
    home.zones.set(name, row);
    const sorted = [...home.zones.keys()].sort();
    const next = home.zones.get(sorted[sorted.indexOf(name) + 1]);
    home.section.insertBefore(root, next ? next.root : null);
    return row;
  }

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
    this.#cameras.forEach(({ section }, id) => { section.hidden = this.#only !== null && id !== this.#only; });
    byId("no-zones").hidden = [...this.#defined].some(([id, count]) => count && (this.#only ?? id) === id);
  }
}

function fill({ root, big, more }, numbers) {
  if (numbers.kind === "line") {
    big.replaceChildren(`${numbers.entered}`, small("in"), ` ${numbers.exited}`, small("out"));
    more.replaceChildren();
    return;
  }
  big.replaceChildren(`${numbers.occupancy}`, small("inside"));
  root.dataset.occupancy = numbers.occupancy;
  const { dwell, queue } = numbers;
  const parts = [`${numbers.entered} in, ${numbers.exited} out`];
  if (numbers.occupancy) parts.push(`longest ${duration(dwell.ongoing_max_s)}`);
  if (dwell.completed) parts.push(`average stay ${duration(dwell.average_s)}`);
  if (queue) parts.push(`queue of ${queue.length}, waiting ${duration(queue.wait_average_s)}`);
  more.replaceChildren(parts.join(" · "));
  const alerts = [];
  if (numbers.crowded) alerts.push("crowded");
  if (numbers.loitering) alerts.push(`${numbers.loitering} loitering`);
  if (alerts.length) more.append(" ", element("span", { class: "alert" }, alerts.join(", ")));
}

const small = (text) => element("small", {}, text);
