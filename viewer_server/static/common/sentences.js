// Events in words.

/** @import { Event, StoredEvent } from "../../wire" */

import { element } from "./dom.js";
import { duration } from "./format.js";
import { label, named } from "./names.js";

/** @type {Record<string, string>} */
const PROBLEMS = {
  covered: "covered", out_of_focus: "out of focus", moved: "moved", frozen: "frozen", washed_out: "washed out",
  wrong_colours: "wrong in colour", low_rate: "too slow",
};

/** @type {Record<Event["type"], (event: Event | StoredEvent) => (string | Node)[]>} */
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
  crowd_ended: (e) => ["Crowd in ", name(e), " is over"],
  presence_started: (e) => ["Somebody is in ", name(e)],
  presence_ended: (e) => ["Nobody is in ", name(e)],
  problem_started: (e) => [`The camera's picture cannot be trusted: ${PROBLEMS[e.problem ?? ""] ?? "a fault"}`],
  problem_ended: (e) => [`The camera's picture is right again: it was ${PROBLEMS[e.problem ?? ""] ?? "at fault"}`],
  alert: (e) => [element("strong", {}, "Alert: "), e.alert?.text ?? "a rule has fired"],
  gap: (e) => [`${e.count ?? e.gap?.count ?? "Some"} events were lost before they could be sent`],
};

/** @param {Event} e */
const who = (e) => `${e.label ?? "Track"} ${e.track_id ?? ""}`.trim();
/** The name of the zone or line: a stored event brings it along. @param {Event | StoredEvent} e */
const name = ({ zone, ...e }) => element("strong", {},
  zone == null ? "?" : "zone_name" in e ? named(e.zone_name, zone) : label(e.node, e.camera, zone));
/** @param {Event} e */
const after = (e) => (e.dwell_s == null ? "" : ` after ${duration(e.dwell_s)}`);
/** @param {Event} e */
const number = (e) => (e.count == null ? "" : ` of ${e.count}`);

/**
 * An event in words: text and elements. A type that only newer nodes know is shown by its name.
 * @param {Event | StoredEvent} event
 */
export const sentence = (event) => (Object.hasOwn(SAYS, event.type) ? SAYS[event.type](event) : [event.type]);
