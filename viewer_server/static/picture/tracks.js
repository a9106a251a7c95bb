// What was seen of each track while its camera was on the screen: trails, visited zones, and counts for a preview.

/**
 * @import { Anchor, Box, Definitions, Point, Settings } from "../../page"
 * @import { DetectionsMessage, Event as HouseEvent, FilterDefinition } from "../../wire"
 * @typedef {object} Track
 * @property {string} label
 * @property {number} at When it was last seen, milliseconds since 1970.
 * @property {{at: number, box: Box}[]} seen
 * @property {Map<string, number>} zones When it was first seen in each.
 */

import { anchorOf, crossing, isInside, shareInside, standing } from "../common/geometry.js";

const KEPT_MS = 30_000;
const MAX_TRACKS = 500;

export class TrackLog {
  session = ""; // of the last frame
  /** @type {Map<number, Track>} */
  #tracks = new Map();
  /** @type {Map<string, {zones: Map<string, number>, hasPicture: boolean}>} */
  #told = new Map(); // what events said, by "session/id"
  overMs = KEPT_MS;
  /** @type {DetectionsMessage | null} */
  #newest = null;

  /**
   * Remembers the detections of a frame that was drawn.
   * @param {DetectionsMessage} detections
   */
  add(detections) {
    if (detections.session !== this.session) this.#tracks.clear();
    this.session = detections.session;
    this.#newest = detections;
    const at = detections.captured_us / 1000;
    for (const object of detections.objects) {
      const track = this.#of(object.track_id, at);
      track.label = object.label;
      track.at = at;
      if (!object.predicted) track.seen.push({ at, box: object.box }); // a prediction is no evidence
      for (const zone of object.zones) if (!track.zones.has(zone)) track.zones.set(zone, at);
    }
    for (const [id, track] of this.#tracks) {
      if (at - track.at > KEPT_MS) this.#tracks.delete(id);
      while (track.seen.length && at - track.seen[0].at > KEPT_MS) track.seen.shift();
    }
  }

  /**
   * Learns from an event: it may name a zone that a track visited before the page was opened, or the track's picture.
   * @param {HouseEvent} event
   */
  note(event) {
    if (event.track_id == null) return;
    const key = `${event.session}/${event.track_id}`;
    const told = this.#told.get(key) ?? { zones: new Map(), hasPicture: false };
    this.#told.delete(key); // so that it is added at the end
    this.#told.set(key, told);
    if (this.#told.size > MAX_TRACKS) removeFirst(this.#told);
    if (event.zone && !told.zones.has(event.zone)) told.zones.set(event.zone, event.occurred_us / 1000);
    told.hasPicture ||= Boolean(event.snapshot);
  }

  /**
   * The foot points of a track over the last milliseconds, oldest first.
   * @param {number} id
   * @param {number} overMs
   */
  trail(id, overMs) {
    const seen = this.#tracks.get(id)?.seen ?? [];
    const since = (seen.at(-1)?.at ?? 0) - overMs;
    return seen.filter(({ at }) => at >= since).map(({ box }) => anchorOf(box));
  }

  /**
   * The zones and lines that a track has visited, each with its time in milliseconds since 1970, in that order.
   * @param {number} id
   */
  zonesOf(id) {
    const known = new Map([...(this.#tracks.get(id)?.zones ?? []), ...(this.#toldOf(id)?.zones ?? [])]);
    return [...known].sort((a, b) => a[1] - b[1]);
  }

  /**
   * Whether the node has published a best view of a track.
   * @param {number} id
   */
  hasPicture(id) {
    return this.#toldOf(id)?.hasPicture ?? false;
  }

  /**
   * How many objects of the last frame are inside a polygon.
   * @param {Point[]} points
   * @param {Anchor | undefined} anchor
   * @param {string[]} classes None stands for all.
   */
  inside(points, anchor, classes) {
    const wanted = (this.#newest?.objects ?? []).filter(({ label }) => !classes.length || classes.includes(label));
    return wanted.filter(({ box }) => isInside(points, standing(box, anchor))).length;
  }

  /**
   * How many objects of the last frame a mask would hide, or hides already. What a filter drops does not reach a mask.
   * @param {Point[]} points
   * @param {Settings} mask
   */
  hidden(points, { by, anchor, overlap = 0.5, classes = [] }) {
    const { objects = [], ignored = [] } = this.#newest ?? {};
    const seen = [...objects, ...ignored.filter(({ reason }) => reason === "mask")];
    return seen.filter(({ label, box }) => (!classes.length || classes.includes(label)) &&
      (by === "overlap" ? shareInside(points, box) >= overlap : isInside(points, standing(box, anchor)))).length;
  }

  /**
   * How many objects of the last frame each filter would drop, or drops already.
   * @param {Definitions["filters"]} filters
   * @returns {Record<string, number>}
   */
  dropped(filters) {
    const { objects = [], ignored = [], width = 1, height = 1 } = this.#newest ?? {};
    const seen = [...objects, ...ignored];
    return Object.fromEntries(Object.entries(filters).map(([name, filter]) => [name, seen.filter(({ label, score, box }) => {
      const bounds = name === "all" ? remaining(filter, filters[label]) : label === name && filter;
      return bounds && isDropped(bounds, box, score, width / height);
    }).length]));
  }

  /**
   * How many tracks crossed a line within the time that is remembered.
   * @param {Point[]} points
   * @param {Anchor | undefined} anchor
   * @param {string[]} classes None stands for all.
   */
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

  /** @param {number} id */
  #toldOf(id) {
    return this.#told.get(`${this.session}/${id}`);
  }

  /** @param {number} id @param {number} at */
  #of(id, at) {
    let track = this.#tracks.get(id);
    if (!track) {
      track = { label: "", at, seen: [], zones: new Map() };
      this.#tracks.set(id, track);
      if (this.#tracks.size > MAX_TRACKS) removeFirst(this.#tracks);
    }
    return track;
  }
}

/**
 * The bounds of "all" that hold for a class: those that it does not set itself.
 * @param {FilterDefinition} all
 * @param {FilterDefinition | undefined} own
 */
function remaining(all, own) {
  const left = { ...all };
  for (const key of /** @type {(keyof FilterDefinition)[]} */ (Object.keys(all))) if (own?.[key] != null) left[key] = null;
  return left;
}

/**
 * Whether bounds drop a box.
 * @param {FilterDefinition} filter
 * @param {Box} box
 * @param {number} score
 * @param {number} aspect The frame's width divided by its height.
 */
function isDropped(filter, [x1, y1, x2, y2], score, aspect) {
  const [wide, high] = [(x2 - x1) * aspect, y2 - y1]; // in heights of the frame
  const [size, shape] = [Math.max(wide, high), high > 0 ? wide / high : Infinity];
  return size < (filter.min_size ?? 0) || size > (filter.max_size ?? Infinity) || shape < (filter.min_aspect ?? 0) ||
    shape > (filter.max_aspect ?? Infinity) || score < (filter.score ?? 0);
}

/**
 * @template K
 * @param {Map<K, unknown>} map
 */
function removeFirst(map) {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
