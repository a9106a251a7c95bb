// The cameras to choose from, by what people call them.

/** @import { CameraSummary, ZoneSummary } from "../../wire" */

import { isolated } from "../common/names.js";

/**
 * Options in the order of their texts. Those that people call the same have their identifier besides.
 * @param {[string, string][]} options Value and text of each.
 * @returns {[string, string][]}
 */
export function distinct(options) {
  /** @type {Map<string, number>} */
  const count = new Map();
  for (const [, text] of options) count.set(text, (count.get(text) ?? 0) + 1);
  const told = options.map(([value, text]) => /** @type {[string, string]} */ ([value, count.get(text) === 1 ? text : `${text} (${value})`]));
  return told.sort((a, b) => a[1].localeCompare(b[1]) || (a[0] < b[0] ? -1 : 1));
}

/**
 * Value ("node/camera") and text of each camera that is known, also of one that only zones of the past name.
 * @param {CameraSummary[]} cameras
 * @param {ZoneSummary[]} zones
 * @returns {[string, string][]}
 */
export function cameraOptions(cameras, zones) {
  const nodes = new Map(cameras.map(({ node, node_name: name }) => [node, name]));
  const names = new Map(cameras.map(({ node, camera, name }) => [`${node}/${camera}`, name]));
  const all = new Map([...zones, ...cameras].map(({ node, camera }) => [`${node}/${camera}`, { node, camera }]));
  return distinct([...all].map(([key, { node, camera }]) => /** @type {[string, string]} */ (
    [key, [names.get(key) ?? camera, nodes.get(node) ?? node].map(isolated).join(" · ")])));
}
