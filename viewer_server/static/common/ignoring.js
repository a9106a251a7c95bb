// What masks and filters drop, in words.

/**
 * @import { Definitions } from "../../page"
 * @import { FilterDefinition, IgnoredObject } from "../../wire"
 * @typedef {IgnoredObject["reason"]} Reason
 */

/** @type {Record<Reason, (bound: number | null, height: number) => string>} */
const SAYS = {
  mask: () => "deleted masks", // of a count; a box names its mask
  min_size: (bound, height) => (bound === null ? "too small" : `smaller than ${size(bound, height)}`),
  max_size: (bound, height) => (bound === null ? "too large" : `larger than ${size(bound, height)}`),
  min_aspect: (bound) => (bound === null ? "too narrow" : `narrower than ${bound} : 1`),
  max_aspect: (bound) => (bound === null ? "too wide" : `wider than ${bound} : 1`),
  score: (bound) => (bound === null ? "score too low" : `score below ${percent(bound)}`),
};
/** What is left out of the messages of a camera that detects by itself. @type {Record<string, string>} */
const LEFT_OUT = {
  unreadable: "messages that cannot be read",
  late: "late or repeated messages",
  retained: "retained messages",
  too_large: "messages that are too large",
  overrun: "messages that came too fast",
  malformed: "objects without a proper box",
  without_id: "objects without an id",
  unknown_class: "objects of classes that the model has not",
};
const BOUNDS = /** @type {(keyof FilterDefinition)[]} */ (["min_size", "max_size", "min_aspect", "max_aspect", "score"]);

/** @param {number} value */
const percent = (value) => `${Math.round(value * 1000) / 10} %`;

/**
 * @param {number} bound A fraction of the frame's height.
 * @param {number} height Of the frame, pixels; 0 when it is not known.
 */
const size = (bound, height) => (height ? `${Math.round(bound * height)} px` : `${percent(bound)} of the height`);

/**
 * A bound that holds for a class; null when there is none.
 * @param {Definitions["filters"] | undefined} filters
 * @param {string} label
 * @param {keyof FilterDefinition} key
 */
const boundOf = (filters, label, key) => filters?.[label]?.[key] ?? filters?.all?.[key] ?? null;

/**
 * A mask by its name, which often says already that it is one.
 * @param {string} name
 */
export const maskName = (name) => (name.startsWith("mask") ? name : `mask ${name}`);

/**
 * Why something was dropped, such as "mask kites" or "smaller than 20 px".
 * @param {IgnoredObject} object
 * @param {Definitions["filters"] | undefined} filters Those of the camera.
 * @param {number} height Of the frame, pixels.
 */
export function reasonOf({ reason, mask, label }, filters, height) {
  if (reason === "mask") return maskName(mask ?? "");
  return SAYS[reason]?.(boundOf(filters, label, reason), height) ?? reason; // a newer node may have others
}

/**
 * What a filter drops, such as "smaller than 3 % of the height, score below 40 %".
 * @param {FilterDefinition} filter
 */
export function filterText(filter) {
  const parts = BOUNDS.filter((key) => filter[key] !== null).map((key) => SAYS[key](filter[key], 0));
  return parts.join(", ") || "nothing";
}

/**
 * Whether a count is of what was left out of a camera's messages, and not of what a mask or filter dropped.
 * @param {string} key Of a count.
 */
export const isLeftOut = (key) => key in LEFT_OUT;

/** @param {string} key Of a count. */
const isMask = (key) => key.startsWith("mask:");

/**
 * The name of a count, such as "mask:kites" or "min_size", for people.
 * @param {string} key
 */
export function countName(key) {
  if (isMask(key)) return maskName(key.slice(5));
  return LEFT_OUT[key] ?? SAYS[/** @type {Reason} */ (key)]?.(null, 0) ?? key;
}

/**
 * The counts that add up to everything that was dropped: by mask, and by each bound of a filter.
 * @param {Record<string, number>} counts As metrics have them: "mask" is the sum of all masks, also of those that are gone.
 * @returns {[string, number][]} The largest first; "mask" is that of deleted masks.
 */
export function parts(counts) {
  const ofMasks = Object.entries(counts).reduce((sum, [key, count]) => sum + (isMask(key) ? count : 0), 0);
  const rest = { ...counts, mask: (counts.mask ?? 0) - ofMasks };
  return Object.entries(rest).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
}
