// A rule as a sentence whose words can be chosen.

/**
 * @import { Condition, RuleDefinition } from "../../wire"
 * @import { Options } from "./controls.js"
 * @import { NodeRules } from "./words.js"
 * @typedef {(change: (rule: RuleDefinition) => void, redraw?: boolean) => void} Edit
 */

import { element } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { choice, labelled, number, several, word } from "./controls.js";
import { about, conditionOf, COUNTED, fits, hasPlace, placeOf, PROBLEMS, SEVERAL, whatOf, WHATS } from "./kinds.js";
import { atMost, COOLDOWNS } from "./words.js";

const SEVERITIES = /** @type {Options} */ ([["info", "for information"], ["warning", "as a warning"], ["critical", "as critical"]]);
const PICTURES = /** @type {Options} */ ([["object", "of the object"], ["frame", "of the whole frame"], ["none", "none"]]);
const FIELDS = ["node", "camera", "rule", "zone", "label", "direction", "dwell_s", "count", "problem", "time"];

/**
 * The sentence: "When [a person] [stays in] [till] for over [60] s ...".
 * @param {RuleDefinition} rule
 * @param {NodeRules} node
 * @param {string[]} targets
 * @param {Edit} edit
 */
export function sentence(rule, node, targets, edit) {
  return [
    element("p", {}, word("When"), ...condition(rule, node, edit)),
    element("p", {}, ...where(rule, node, edit), ...always(rule, node, edit)),
    element("p", {}, word("tell"), ...tell(rule, targets, edit)),
  ];
}

/** @param {RuleDefinition} rule @param {NodeRules} node @param {Edit} edit @returns {Node[]} */
function condition({ when, cameras }, node, edit) {
  const name = whatOf(when);
  const what = about(name);
  /** @type {<K extends keyof Condition>(key: K) => (value: Condition[K]) => void} */
  const set = (key) => (value) => edit((rule) => { rule.when[key] = value; });
  const kind = choice("What happens", kinds(name), name, (chosen) => edit((rule) => {
    rule.when = conditionOf(chosen, kept(rule.when, chosen, node));
    if (chosen === "offline") rule.cameras = [];
    if (!about(chosen).who || about(chosen).trigger === "occupancy") rule.object_cooldown_s = 0; // no object
  }, true));
  const who = what.who ? several("Who", "anything", node.classes.map((one) => [one, one]), when.classes, (classes) => edit((rule) => { rule.when.classes = classes; }, true)) : [];
  const place = hasPlace(when) ? several("Zone or line", placeOf(when) === "line" ? "any line" : "any zone", placeOptions(when, cameras, node), when.zones,
    (zones) => edit((rule) => { rule.when.zones = zones; }, true)) : [];
  const over = what.for_s !== undefined ? [word("for over"), number("For over", when.for_s, "s", (value) => set("for_s")(value ?? 0))] : [];
  const least = (/** @type {"at_least" | "at_most"} */ key) => number("How many", when[key], "", (value) => set(key)(value ?? 0), { step: 1, max: 10_000 });
  switch (name) {
    case "many": case "few":
      return [kind, least(name === "many" ? "at_least" : "at_most"), ...who, word("are in"), ...place, ...over];
    case "often":
      return [...who, choice("What is counted", COUNTED, when.events.join(), (event) => edit((rule) => {
        rule.when.events = COUNTED.filter(([one]) => one === event).map(([one]) => one);
        rule.when.zones = [];
      }, true)), ...place, kind, word(": at least"), least("at_least"), word("times within"),
      number("Within", when.within_s, "s", set("within_s"), { min: 1 })];
    case "problem":
      return [kind, ...several("Fault", "at fault in any way", PROBLEMS, when.problems,
        (problems) => edit((rule) => { rule.when.problems = PROBLEMS.map(([one]) => one).filter((one) => problems.includes(one)); }, true)), ...over];
    default:
      return [...who, kind, ...place, ...over, ...extras(when, name, set)];
  }
}

/** @param {Condition} when @param {string} name @param {<K extends keyof Condition>(key: K) => (value: Condition[K]) => void} set @returns {Node[]} */
function extras(when, name, set) {
  const { dwell, direction } = about(name);
  /** @type {Node[]} */
  const parts = [];
  if (name === "several") parts.unshift(word(`(${when.events.join(", ")})`));
  if (direction) parts.push(choice("Direction", [["", "in either direction"], ["in", "in"], ["out", "out"]], when.direction ?? "",
    (value) => set("direction")(value === "in" || value === "out" ? value : null)));
  if (dwell) parts.push(word("after at least"), number("After at least", when.dwell_s ?? 0, "s", (value) => set("dwell_s")(value || null)));
  return parts;
}

/** What can happen, in groups. @param {string} chosen @returns {Map<string, Options>} */
function kinds(chosen) {
  /** @type {Map<string, Options>} */
  const groups = new Map();
  for (const [name, { text, group }] of Object.entries(WHATS)) groups.set(group, [...groups.get(group) ?? [], [name, text]]);
  if (chosen === "several") groups.set("Others", [["several", SEVERAL.text]]);
  return groups;
}

/** What a new condition takes over: classes, and zones or lines that it can be about. @param {Condition} when @param {string} chosen @param {NodeRules} node */
function kept(when, chosen, node) {
  const all = node.cameras.flatMap(({ places }) => places);
  const { place } = about(chosen);
  const zones = place === undefined ? [] : when.zones.filter((zone) => all.some((one) => one.zone === zone && fits(one, place)));
  return { classes: when.classes, zones };
}

/** Zones and lines of the chosen cameras. @param {Condition} when @param {readonly string[]} cameras @param {NodeRules} node @returns {Options} */
function placeOptions(when, cameras, node) {
  /** @type {Map<string, Set<string>>} */
  const names = new Map();
  for (const { camera, places } of node.cameras) {
    if (cameras.length && !cameras.includes(camera)) continue;
    for (const place of places) {
      if (fits(place, placeOf(when))) names.set(place.zone, (names.get(place.zone) ?? new Set()).add(place.name ?? place.zone));
    }
  }
  return [...names].map(([zone, some]) => [zone, [...some].sort().map(isolated).join(" / ")]);
}

/** @param {RuleDefinition} rule @param {NodeRules} node @param {Edit} edit @returns {Node[]} */
function where(rule, node, edit) {
  if (rule.when.trigger === "offline") return [];
  const options = node.cameras.map(({ camera, name }) => /** @type {[string, string]} */ ([camera, isolated(name ?? camera)]));
  return [word("on"), ...several("Camera", "any camera", options, rule.cameras, (cameras) => edit((edited) => { edited.cameras = cameras; }, true)), word(",")];
}

/** @param {RuleDefinition} rule @param {NodeRules} node @param {Edit} edit @returns {Node[]} */
function always(rule, node, edit) {
  const schedules = node.schedules.map(({ schedule, name }) => /** @type {[string, string]} */ ([schedule, `during ${isolated(name ?? schedule)}`]));
  if (rule.when.trigger === "offline") return [];
  const first = /** @type {Options} */ ([["", "each time"], ["day", "only the first of the day"], ...rule.schedule === null ? [] : [["schedule", "only the first of the schedule"]]]);
  return [
    choice("Schedule", [["", "always"], ...schedules], rule.schedule ?? "", (value) => edit((edited) => {
      edited.schedule = value || null;
      if (!value && edited.first_of === "schedule") edited.first_of = null;
    }, true)),
    choice("Which of them", first, rule.first_of ?? "", (value) => edit((edited) => {
      edited.first_of = value === "day" || value === "schedule" ? value : null;
    })),
  ];
}

/** @param {RuleDefinition} rule @param {string[]} targets @param {Edit} edit @returns {Node[]} */
function tell(rule, targets, edit) {
  const options = /** @type {Options} */ (targets.map((name) => [name, name]));
  const all = rule.notify === null ? "all" : rule.notify.length ? "" : "none";
  const whom = all ? [choice("Whom", [["all", "all targets"], ["none", "nobody, only note it"], ...options], all, (value) => edit((edited) => {
    edited.notify = value === "all" ? null : value === "none" ? [] : [value];
  }, true))] : several("Whom", "all targets", options, rule.notify ?? [], (names) => edit((edited) => { edited.notify = names.length ? names : null; }, true));
  return [
    ...whom,
    choice("Severity", SEVERITIES, rule.severity, (value) => edit((edited) => {
      edited.severity = value === "info" || value === "critical" ? value : "warning";
    })),
    rate("How often", rule.cooldown_s, (seconds) => edit((edited) => { edited.cooldown_s = seconds; })),
  ];
}

/** @param {string} name @param {number} value @param {(seconds: number) => void} set */
function rate(name, value, set) {
  const known = COOLDOWNS.some(([seconds]) => seconds === value) ? COOLDOWNS : [...COOLDOWNS, /** @type {[number, string]} */ ([value, atMost(value)])];
  return choice(name, known.map(([seconds, text]) => [String(seconds), text]), String(value), (chosen) => set(Number(chosen)));
}

/**
 * What is rarely changed: name, text, picture, and how often about one object.
 * @param {RuleDefinition} rule
 * @param {Edit} edit
 */
export function finerFields(rule, edit) {
  const text = element("input", { type: "text", maxlength: 512, value: rule.text ?? "", "data-key": "text", dir: "auto", placeholder: "a sentence made from the rule" });
  text.addEventListener("input", () => edit((edited) => { edited.text = text.value.trim() || null; }));
  const name = element("input", { type: "text", maxlength: 64, value: rule.name ?? "", "data-key": "name", dir: "auto", placeholder: "none" });
  name.addEventListener("input", () => edit((edited) => { edited.name = name.value.trim() || null; }));
  return [
    labelled("Name of the rule", name),
    labelled("Picture", choice("Picture", PICTURES, rule.picture, (value) => edit((edited) => {
      edited.picture = value === "frame" || value === "none" ? value : "object";
    }))),
    labelled("About one object", rate("About one object", rule.object_cooldown_s, (seconds) => edit((edited) => { edited.object_cooldown_s = seconds; }))),
    element("div", { class: "wide" }, labelled("What the alert says", text), element("p", { class: "quiet" }, `Fields: ${FIELDS.map((field) => `{${field}}`).join(" ")}`)),
  ];
}
