// What was seen of each track while its camera was on the screen: trails, lives and counts for a preview.

import { anchorOf, crossing, isInside } from "../common/geometry.js";

const KEPT_MS = 30_000;
const MAX_TRACKS = 500;

export class TrackLog {
  #session = null;
  #tracks = new Map(); // id -> {label, seen: [{at, box}], zones: Map(name -> ms first seen there)}
  #told = new Map(); // "session/id" -> what events said: {zones, hasPicture}
  overMs = KEPT_MS;
  newest = null; // the detections of the last frame

  /** Take the detections of a frame that was drawn. */
  add(detections) {
    if (detections.session !== this.#session) this.#tracks.clear();
    this.#session = detections.session;
    this.newest = detections;
    const at = detections.captured_us / 1000;
    for (const object of detections.objects) {
      const track = this.#of(object.track_id);
      track.label = object.label;
      track.at = at;
      if (!object.predicted) track.seen.push({ at, box: object.box }); // a guess is no evidence
      for (const zone of object.zones) if (!track.zones.has(zone)) track.zones.set(zone, at);
    }
    for (const [id, track] of this.#tracks) {
      if (at - (track.at ?? at) > KEPT_MS) this.#tracks.delete(id);
      while (track.seen.length && at - track.seen[0].at > KEPT_MS) track.seen.shift();
    }
  }

  /** An event tells of zones that a track visited before the page was opened, and of a picture of it. */
  note(event) {
    if (event.track_id == null) return;
    const key = `${event.session}/${event.track_id}`;
    const told = this.#told.get(key) ?? { zones: new Map(), hasPicture: false };
    this.#told.delete(key); // and to the end
    this.#told.set(key, told);
    if (this.#told.size > MAX_TRACKS) this.#told.delete(this.#told.keys().next().value);
    if (event.zone && !told.zones.has(event.zone)) told.zones.set(event.zone, event.occurred_us / 1000);
    told.hasPicture ||= Boolean(event.snapshot);
  }

  /** The foot points of a track over the last milliseconds, oldest first. */
  trail(id, overMs) {
    const seen = this.#tracks.get(id)?.seen ?? [];
    const since = (seen.at(-1)?.at ?? 0) - overMs;
    return seen.filter(({ at }) => at >= since).map(({ box }) => anchorOf(box));
  }

  /** Zones and lines that a track has visited, each with the time, milliseconds since 1970, in that order. */
  zonesOf(id) {
    const known = new Map([...(this.#tracks.get(id)?.zones ?? []), ...(this.#toldOf(id)?.zones ?? [])]);
    return [...known].sort((a, b) => a[1] - b[1]);
  }

  /** Whether the node has published a best view of a track. */
  hasPicture = (id) => this.#toldOf(id)?.hasPicture ?? false;

  get session() {
    return this.#session;
  }

  #toldOf = (id) => this.#told.get(`${this.#session}/${id}`);

  /** How many are inside a polygon on the last frame. */
  inside(points, anchor, classes) {
    const wanted = (this.newest?.objects ?? []).filter(({ label }) => !classes.length || classes.includes(label));
    return wanted.filter(({ box }) => isInside(points, anchorOf(box, anchor))).length;
  }

  /** Crossings of a line over what is remembered. */
  crossings(points, anchor, classes) {
    const found = { in: 0, out: 0 };
    for (const { label, seen } of this.#tracks.values()) {
      if (classes.length && !classes.includes(label)) continue;
      for (let i = 1; i < seen.length; i += 1) {
        const way = crossing(points, anchorOf(seen[i - 1].box, anchor), anchorOf(seen[i].box, anchor));
        if (way) found[way > 0 ? "in" : "out"] += 1;
      }
    }
    return found;
  }

  #of(id) {
    if (!this.#tracks.has(id)) {
      this.#tracks.set(id, { label: "", at: undefined, seen: [], zones: new Map() });
      if (this.#tracks.size > MAX_TRACKS) this.#tracks.delete(this.#tracks.keys().next().value);
    }
    return this.#tracks.get(id);
  }
}
