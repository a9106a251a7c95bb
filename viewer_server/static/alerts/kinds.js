// What can happen, and how a rule's condition says it.

/**
 * @import { Condition } from "../../wire"
 * @typedef {Condition["events"][number]} RuleEvent
 * @typedef {"zone" | "line" | "loitering" | "queue" | "crowd" | "presence"} Place What a zone or line has to be, or to tell of.
 * @typedef {{
 *   text: string, group: string, trigger: Condition["trigger"], events?: RuleEvent[], who?: boolean, place?: Place,
 *   for_s?: number, least?: number, most?: number, within_s?: number, dwell?: boolean, direction?: boolean,
 * }} What One thing that can happen. Numbers are those that a new rule begins with.
 */

const DOES = "Somebody or something";
const NUMBERS = "How many";
const ZONES = "Zones";
const FAULTS = "Cameras and nodes";

/** By name, in the order in which they are offered. @type {Record<string, What>} */
export const WHATS = {
  enters: { text: "enters", group: DOES, trigger: "event", events: ["zone_entered"], who: true, place: "zone" },
  stays: { text: "stays in", group: DOES, trigger: "stay", who: true, place: "zone", for_s: 60 },
  leaves: { text: "leaves", group: DOES, trigger: "event", events: ["zone_exited"], who: true, place: "zone", dwell: true },
  vanishes: { text: "disappears in", group: DOES, trigger: "event", events: ["zone_lost"], who: true, place: "zone", dwell: true },
  crosses: { text: "crosses", group: DOES, trigger: "event", events: ["line_crossed"], who: true, place: "line", direction: true },
  appears: { text: "appears in the picture", group: DOES, trigger: "event", events: ["track_started"], who: true },
  loiters: { text: "loiters in", group: DOES, trigger: "event", events: ["loitering"], who: true, place: "loitering" },
  many: { text: "at least", group: NUMBERS, trigger: "occupancy", who: true, place: "zone", least: 6, for_s: 10 },
  few: { text: "at most", group: NUMBERS, trigger: "occupancy", who: true, place: "zone", most: 0, for_s: 60 },
  often: { text: "again and again", group: NUMBERS, trigger: "count", events: ["zone_entered"], who: true, least: 10, within_s: 600 },
  present: { text: "somebody is present in", group: ZONES, trigger: "event", events: ["presence_started"], place: "presence" },
  absent: { text: "nobody is present any more in", group: ZONES, trigger: "event", events: ["presence_ended"], place: "presence" },
  queues: { text: "a queue begins in", group: ZONES, trigger: "event", events: ["queue_started"], place: "queue" },
  queued: { text: "a queue is over in", group: ZONES, trigger: "event", events: ["queue_ended"], place: "queue" },
  crowds: { text: "a crowd begins in", group: ZONES, trigger: "event", events: ["crowd_started"], place: "crowd" },
  crowded: { text: "a crowd is over in", group: ZONES, trigger: "event", events: ["crowd_ended"], place: "crowd" },
  problem: { text: "a camera's picture is", group: FAULTS, trigger: "problem", for_s: 10 },
  offline: { text: "the node is offline", group: FAULTS, trigger: "offline", for_s: 60 },
};
/** For a rule about several kinds of events, which was not drawn up here. @type {What} */
export const SEVERAL = { text: "one of several events happens", group: DOES, trigger: "event", who: true, dwell: true, direction: true };

/** What is counted "again and again". @type {[RuleEvent, string][]} */
export const COUNTED = [
  ["zone_entered", "enters"], ["zone_exited", "leaves"], ["zone_lost", "disappears in"], ["line_crossed", "crosses"],
  ["track_started", "appears"], ["loitering", "loiters in"],
];
/** @type {[Condition["problems"][number], string][]} */
export const PROBLEMS = [
  ["covered", "covered or dark"], ["out_of_focus", "out of focus"], ["moved", "moved"], ["frozen", "frozen"],
  ["washed_out", "washed out"], ["wrong_colours", "wrong in colour"], ["low_rate", "too slow, or gone"],
];

/** The name of what a condition is about; "several" for what this page does not offer. @param {Condition} when */
export function whatOf(when) {
  for (const [name, what] of Object.entries(WHATS)) {
    if (what.trigger !== when.trigger) continue;
    if (what.trigger === "event" && what.events?.join() !== when.events.join()) continue;
    if (what.most !== undefined && when.at_most === null) continue;
    if (name === "many" && when.at_least === null) continue;
    return name;
  }
  return "several";
}

/** @param {string} name */
export const about = (name) => WHATS[name] ?? SEVERAL;

/** @type {Condition} */
const BLANK = {
  trigger: "event", events: [], zones: [], classes: [], direction: null, for_s: 0, dwell_s: null, at_least: null, at_most: null,
  within_s: null, problems: [],
};

/**
 * A condition about something else: what still fits stays, and the rest begins anew.
 * @param {string} name
 * @param {Partial<Condition>} kept
 * @returns {Condition}
 */
export function conditionOf(name, kept = {}) {
  const what = about(name);
  return {
    ...BLANK, trigger: what.trigger, events: [...what.events ?? []], classes: what.who ? kept.classes ?? [] : [],
    for_s: what.for_s ?? 0, at_least: what.least ?? null, at_most: what.most ?? null, within_s: what.within_s ?? null,
    zones: kept.zones ?? [],
  };
}

/**
 * Whether a zone or line is one that this can happen to.
 * @param {{kind: "zone" | "line", says: string[]}} place
 * @param {Place | undefined} wanted
 */
export const fits = (place, wanted) => wanted === undefined || place.kind === wanted || place.says.includes(wanted);

/**
 * What a condition asks of a zone or line.
 * @param {Condition} when
 * @returns {Place | undefined}
 */
export function placeOf(when) {
  if (when.trigger !== "count") return about(whatOf(when)).place;
  if (when.events.join() === "line_crossed") return "line";
  return when.events.join() === "loitering" ? "loitering" : "zone";
}

/** Whether a condition can name zones or lines. @param {Condition} when */
export const hasPlace = (when) => whatOf(when) === "several" || !["problem", "offline"].includes(when.trigger) && when.events.join() !== "track_started";
