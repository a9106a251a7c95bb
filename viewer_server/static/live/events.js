// The panel's list of events, newest first.

/** @import { Event as HouseEvent } from "../../wire" */

import { colourOf } from "../common/colours.js";
import { byId, childrenOf, element, inputById } from "../common/dom.js";
import { time } from "../common/format.js";
import { label } from "../common/names.js";
import { sentence } from "../common/sentences.js";

const KEPT = 100; // track events kept, and as many others

export class EventFeed {
  #list = byId("events");
  /** @type {string | null} */
  #only = null;

  constructor() {
    const box = inputById("show-tracks");
    const apply = () => {
      this.#list.dataset.tracks = String(box.checked);
      this.#refresh();
    };
    box.addEventListener("change", apply);
    apply();
  }

  /** @param {HouseEvent} event */
  add(event) {
    if (childrenOf(this.#list).some((other) => other.dataset.id === event.event_id)) return; // a camera is shown again
    const isTrack = event.type.startsWith("track_");
    const item = this.#item(event, isTrack);
    const later = childrenOf(this.#list).find((other) => Number(other.dataset.at) <= event.occurred_us);
    this.#list.insertBefore(item, later ?? null);
    const alike = this.#list.querySelectorAll(isTrack ? ".track" : "li:not(.track)");
    if (alike.length > KEPT) alike[alike.length - 1].remove();
    this.#refresh();
  }

  /**
   * Shows the events of one camera, or of all.
   * @param {string | null} id "node/camera"; null for all.
   */
  only(id) {
    this.#only = id;
    for (const item of childrenOf(this.#list)) this.#hide(item);
    this.#refresh();
  }

  clear() {
    this.#list.replaceChildren();
    this.#refresh();
  }

  /** @param {HTMLElement} item */
  #hide(item) {
    item.hidden = this.#only !== null && item.dataset.camera !== this.#only;
  }

  /** @param {HouseEvent} event @param {boolean} isTrack */
  #item(event, isTrack) {
    const dot = element("span", { class: "dot", "aria-hidden": "true" });
    if (event.track_id != null) dot.style.background = colourOf(event.track_id);
    const what = element("span", { class: "what" }, ...sentence(event));
    what.append(" ", element("span", { class: "where" }, label(event.node, event.camera)));
    const ms = event.occurred_us / 1000;
    const at = element("time", { datetime: new Date(ms).toISOString() }, time(ms));
    const item = element("li", {
      class: isTrack ? "track" : undefined, "data-id": event.event_id, "data-at": event.occurred_us, "data-camera": `${event.node}/${event.camera}`,
    }, at, dot, what);
    this.#hide(item);
    return item;
  }

  #refresh() {
    const visible = this.#list.dataset.tracks === "true" ? "li:not([hidden])" : "li:not(.track):not([hidden])";
    byId("no-events").hidden = this.#list.querySelector(visible) !== null;
  }
}
