// The panel's event feed, newest first.

import { byId, element } from "../common/dom.js";
import { colourOf } from "./draw.js";
import { duration, time } from "../common/format.js";

const KEPT = 100; // of track events, and again of all others

const SAYS = {
  track_started: (e) => [who(e), " appeared"],
  track_ended: (e) => [who(e), " left the picture", after(e)],
  track_linked: (e) => [who(e), ` continues ${e.linked_track_id ?? "another track"}`],
  zone_entered: (e) => [who(e), " entered ", name(e)],
  zone_exited: (e) => [who(e), " left ", name(e), after(e)],
  zone_lost: (e) => [who(e), " was lost in ", name(e), after(e)],
  line_crossed: (e) => [who(e), " crossed ", name(e), e.direction ? `, ${e.direction}` : ""],
  loitering: (e) => [who(e), " is loitering in ", name(e), after(e)],
  queue_started: (e) => ["Queue in ", name(e), number(e)],
  queue_ended: (e) => ["Queue in ", name(e), " is over"],
  crowd_started: (e) => ["Crowd in ", name(e), number(e)],
  gap: (e) => [`${e.count ?? e.gap?.count ?? "Some"} events were lost before they could be sent`],
  crowd_ended: (e) => ["Crowd in ", name(e), " is over"],
};

const who = (e) => `${e.label ?? "Track"} ${e.track_id ?? ""}`.trim();
const name = (e) => element("strong", {}, e.zone ?? "?");
const after = (e) => (e.dwell_s == null ? "" : ` after ${duration(e.dwell_s)}`);
const number = (e) => (e.count == null ? "" : ` of ${e.count}`);

/** An event in words: text and elements. */
export const sentence = (event) => SAYS[event.type]?.(event) ?? [event.type];

export class EventFeed {
  #list = byId("events");
  #only = null;

  constructor() {
    const box = byId("show-tracks");
    const apply = () => {
      this.#list.dataset.tracks = box.checked;
      this.#refresh();
    };
    box.addEventListener("change", apply);
    apply();
  }

  add(event) {
    const isTrack = event.type.startsWith("track_");
    const item = this.#item(event, isTrack);
    const later = [...this.#list.children].find((other) => Number(other.dataset.at) <= event.occurred_us);
    this.#list.insertBefore(item, later ?? null);
    const alike = this.#list.querySelectorAll(isTrack ? ".track" : "li:not(.track)");
    if (alike.length > KEPT) alike[alike.length - 1].remove();
    this.#refresh();
  }

  /** Show those of one camera ("node/camera"), or of all (null). */
  only(id) {
    this.#only = id;
    for (const item of this.#list.children) this.#hide(item);
    this.#refresh();
  }

  #hide(item) {
    item.hidden = this.#only !== null && item.dataset.camera !== this.#only;
  }

  clear() {
    this.#list.replaceChildren();
    this.#refresh();
  }

  #item(event, isTrack) {
    const dot = element("span", { class: "dot", "aria-hidden": "true" });
    if (event.track_id != null) dot.style.background = colourOf(event.track_id);
    const what = element("span", { class: "what" }, ...sentence(event));
    what.append(" ", element("span", { class: "where" }, event.camera));
    const at = element("time", { datetime: new Date(event.occurred_us / 1000).toISOString() }, time(event.occurred_us / 1000));
    const item = element("li", isTrack ? { class: "track" } : {}, at, dot, what);
    item.dataset.at = event.occurred_us;
    item.dataset.camera = `${event.node}/${event.camera}`;
    this.#hide(item);
    return item;
  }

  #refresh() {
    const visible = this.#list.dataset.tracks === "true" ? "li:not([hidden])" : "li:not(.track):not([hidden])";
    byId("no-events").hidden = this.#list.querySelector(visible) !== null;
  }
}
