// What is wrong with a camera's picture, in sentences.

/** @import { CameraProblem, Health } from "../../wire" */

import { time } from "../common/format.js";
import { short } from "./short.js";

/** @typedef {CameraProblem["problem"]} Problem */

/** @type {Record<string, string>} */
const SAYS = {
  covered: "Something covers the camera, or it is dark", out_of_focus: "The picture is out of focus", moved: "The camera has been moved",
  frozen: "The camera sends the same picture again and again", washed_out: "The picture is washed out",
  wrong_colours: "The picture's colours are wrong", low_rate: "The camera sends far fewer pictures than usual",
};
const DAY_MS = 86_400_000;
const date = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/**
 * A moment of today as time of day, another with its date.
 * @param {number} ms
 * @param {number} now
 */
export const since = (ms, now) => (Math.abs(now - ms) < DAY_MS / 2 ? clock : date).format(ms);

/**
 * How far a view has moved, such as "by 12 % to the left".
 * @param {NonNullable<CameraProblem["shift"]>} shift
 */
export function distance({ dx, dy, degrees, scale }) {
  const share = (/** @type {number} */ value) => `${Math.round(Math.abs(value) * 100)} %`;
  // The picture of before lies further right where the camera now looks further left.
  const parts = [
    ...Math.abs(dx) >= 0.005 ? [`by ${share(dx)} to the ${dx > 0 ? "left" : "right"}`] : [],
    ...Math.abs(dy) >= 0.005 ? [`by ${share(dy)} ${dy > 0 ? "upwards" : "downwards"}`] : [],
    ...Math.abs(degrees) >= 0.5 ? [`turned by ${Math.round(Math.abs(degrees))}° ${degrees > 0 ? "anticlockwise" : "clockwise"}`] : [],
    ...Math.abs(scale - 1) >= 0.01 ? [`${scale > 1 ? "closer" : "further away"} by ${share(scale - 1)}`] : [],
  ];
  return parts.join(", ");
}

/**
 * A problem in a sentence, and what it means for the zones.
 * @param {CameraProblem} problem
 * @param {Health} health
 * @param {number} now Milliseconds since 1970.
 */
export function sentence({ problem, since_us: begun, shift }, { paused }, now) {
  const far = shift && distance(shift);
  const what = `${SAYS[problem] ?? `The picture is not right (${short(problem)})`}${far ? ` ${far}` : ""}`;
  const effect = problem === "low_rate" || !paused ? "" : ": its zones and lines do not count";
  return `${what} since ${since(begun / 1000, now)}${effect}.`;
}

/**
 * When the view was noted with which the node compares.
 * @param {Health} health
 */
export const reference = ({ reference_us: at }) => (at == null ? "" : `The node compares with the view of ${time(at / 1000)}.`);
