// The rules that people ask for most, to begin with.

/**
 * @import { RuleDefinition } from "../../wire"
 * @import { NodeRules } from "./words.js"
 */

import { about, conditionOf, fits } from "./kinds.js";

/** @typedef {{text: string, what: string, people?: boolean, picture?: RuleDefinition["picture"], rule?: Partial<RuleDefinition>}} Preset */

/** @type {Preset[]} */
export const PRESETS = [
  { text: "Somebody stays too long", what: "stays", people: true, rule: { cooldown_s: 300 } },
  { text: "More than 5 wait", what: "many", people: true, rule: { cooldown_s: 300 } },
  { text: "Somebody enters", what: "enters", people: true, rule: { object_cooldown_s: 60 } },
  { text: "First one in of the day", what: "crosses", people: true, rule: { first_of: "day", severity: "info" } },
  { text: "Nobody is there any more", what: "few", people: true, rule: { cooldown_s: 900 } },
  { text: "A camera is blind", what: "problem", rule: { severity: "critical", picture: "frame" } },
  { text: "The node is offline", what: "offline", rule: { severity: "critical", picture: "none" } },
];

/**
 * A rule that nobody has changed yet, about the first zone or line that it can be about.
 * @param {Preset} preset
 * @param {NodeRules} node
 * @returns {RuleDefinition}
 */
export function ruleOf({ what, people, rule }, node) {
  const { place } = about(what);
  const places = node.cameras.flatMap(({ camera, places: own }) => own.map((one) => ({ camera, ...one })));
  const first = place && places.find((one) => fits(one, place));
  const when = conditionOf(what, { classes: people && node.classes.includes("person") ? ["person"] : [], zones: first ? [first.zone] : [] });
  if (what === "crosses") when.direction = "in";
  if (what === "problem") when.problems = ["covered", "washed_out", "frozen"];
  return {
    name: null, when, cameras: first ? [first.camera] : [], enabled: true, schedule: null, first_of: null, cooldown_s: 0, object_cooldown_s: 0,
    severity: "warning", text: null, picture: "object", notify: null, ...rule,
  };
}
