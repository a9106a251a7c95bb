// A rule in words, with what people call its places.

/**
 * @import { Condition, RuleDefinition, RuleList } from "../../wire"
 * @typedef {RuleList["nodes"][number]} NodeRules
 */

import { element } from "../common/dom.js";
import { named } from "../common/names.js";
import { about, COUNTED, PROBLEMS, whatOf } from "./kinds.js";

/** How often people are told, at most: seconds and words. @type {[number, string][]} */
export const COOLDOWNS = [
  [0, "each time"], [30, "at most every 30 s"], [60, "at most every minute"], [300, "at most every 5 min"], [900, "at most every 15 min"],
  [3600, "at most every hour"], [28_800, "at most every 8 h"], [86_400, "at most once a day"],
];

/** A length of time as it was chosen, not rounded. @param {number} seconds */
function exactly(seconds) {
  const [unit, name] = /** @type {[number, string][]} */ ([[3600, "h"], [60, "min"]]).find(([one]) => seconds > 90 && seconds % one === 0) ?? [1, "s"];
  return `${seconds / unit}\u00a0${name}`;
}

/** @param {number} seconds */
export const atMost = (seconds) => COOLDOWNS.find(([known]) => known === seconds)?.[1] ?? `at most every ${exactly(seconds)}`;

/** What is wrong with a rule, as a sentence. @param {string} problem Goes on after the rule's name. */
export const aboutIt = (problem) => `It ${problem}.`;

/**
 * What a rule says, as text and elements.
 * @param {RuleDefinition} rule
 * @param {NodeRules} node
 * @returns {(Node | string)[]}
 */
export function inWords(rule, node) {
  const during = rule.schedule === null ? [] : [", during ", scheduleName(rule.schedule, node)];
  const first = rule.first_of === null ? [] : [`, only the first of the ${rule.first_of}`];
  const rate = rule.cooldown_s ? [`, ${atMost(rule.cooldown_s)}`] : [];
  return ["When ", ...happens(rule.when, rule, node), ...where(rule, node), ...during, ...first, ": ", ...tells(rule), ...rate, "."];
}

/**
 * @param {Condition} when
 * @param {RuleDefinition} rule
 * @param {NodeRules} node
 * @returns {(Node | string)[]}
 */
function happens(when, rule, node) {
  const name = whatOf(when);
  const { text } = about(name);
  const who = when.classes.length ? `any ${listed(when.classes, "or")}` : "anything";
  const places = placeNames(when, rule, node);
  const over = when.for_s ? ` for over ${exactly(when.for_s)}` : "";
  switch (name) {
    case "problem": return [`${text} ${listed(problems(when), "or") || "at fault"}${over}`];
    case "offline": return [`${text}${over}`];
    case "many": return [`at least ${objects(when.at_least ?? 0, when)} in `, ...places, over];
    case "few": return [`${when.at_most ? "at most " : ""}${objects(when.at_most ?? 0, when)} in `, ...places, over];
    case "often": return [`${who} `, counted(when), ...(when.events.join() === "track_started" ? [] : [" ", ...places]),
      `, at least ${when.at_least} times within ${exactly(when.within_s ?? 0)}`];
    case "appears": return [`${who} ${text}`];
    case "several": return [`${listed(when.events.map((event) => event.replace("_", " ")), "or")} (${who}) in `, ...places, ...more(when)];
    default: return [about(name).who ? `${who} ` : "", `${text} `, ...places, over, ...more(when)];
  }
}

/** How many objects are somewhere. @param {number} count @param {Condition} when */
function objects(count, { classes }) {
  const of = classes.length ? ` (${listed(classes, "or")})` : "";
  return count === 1 ? `1 object${of} is` : `${count || "no"} objects${of} are`;
}

/** @param {Condition} when */
const counted = (when) => {
  const known = COUNTED.find(([event]) => event === when.events.join());
  return known ? known[1] : when.events.map((event) => event.replace("_", " ")).join(" or ");
};

/** @param {Condition} when */
const problems = (when) => when.problems.map((problem) => PROBLEMS.find(([known]) => known === problem)?.[1] ?? problem);

/** @param {Condition} when */
const more = (when) => [
  when.direction ? ` ${when.direction}wards` : "", when.dwell_s ? ` after at least ${exactly(when.dwell_s)}` : "",
];

/** @param {Condition} when @param {RuleDefinition} rule @param {NodeRules} node @returns {(Node | string)[]} */
function placeNames(when, rule, node) {
  if (!when.zones.length) return [about(whatOf(when)).place === "line" ? "any line" : "any zone"];
  return joined(when.zones.map((zone) => placeName(zone, rule.cameras, node)), "or");
}

/**
 * What people call a zone or line; those of several cameras may have one identifier.
 * @param {string} zone
 * @param {readonly string[]} cameras Empty: all.
 * @param {NodeRules} node
 */
function placeName(zone, cameras, node) {
  const here = node.cameras.filter(({ camera }) => !cameras.length || cameras.includes(camera));
  const found = here.flatMap(({ places }) => places).find((place) => place.zone === zone);
  return named(found?.name, zone);
}

/** @param {RuleDefinition} rule @param {NodeRules} node @returns {(Node | string)[]} */
function where(rule, node) {
  if (rule.when.trigger === "offline") return [];
  if (!rule.cameras.length) return node.cameras.length > 1 ? [" on any camera"] : [];
  return [" on ", ...joined(rule.cameras.map((camera) => named(node.cameras.find((one) => one.camera === camera)?.name, camera)), "or")];
}

/** @param {RuleDefinition} rule @returns {(Node | string)[]} */
function tells({ notify }) {
  if (notify === null) return ["tell all targets"];
  if (!notify.length) return ["tell nobody, only note it"];
  return ["tell ", ...joined(notify.map((name) => element("bdi", {}, name)), "and")];
}

/** @param {string} schedule @param {NodeRules} node */
const scheduleName = (schedule, node) => named(node.schedules.find((one) => one.schedule === schedule)?.name, schedule);

/** @param {readonly string[]} words @param {string} last */
const listed = (words, last) => (words.length > 1 ? `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1]}` : words[0] ?? "");

/** @param {Node[]} parts @param {string} last @returns {(Node | string)[]} */
const joined = (parts, last) => parts.flatMap((part, index) => (
  index === 0 ? [part] : [index === parts.length - 1 ? ` ${last} ` : ", ", part]));
