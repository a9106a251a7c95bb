// Which file a node's model is, and where it comes from.

/** @import { ModelInfo } from "../../wire" */

import { element } from "../common/dom.js";
import { time } from "../common/format.js";

/** @type {Map<string, [string, string]>} By node: the file's hash, and since when the page has seen it instead of another. */
const known = new Map();

/** Hashes are cut on the screen, and whole when hovered over or copied. @param {string} node @param {ModelInfo} model */
export function lineage(node, { sha256, parent, made }) {
  if (!sha256) return "–";
  const [before, since] = known.get(node) ?? [sha256, ""];
  const now = before === sha256 ? since : ` (new since ${time(Date.now())})`;
  known.set(node, [sha256, now]);
  const from = parent ? [" adapted from ", hash(parent), ` on ${made?.slice(0, 10) ?? "–"}`] : [];
  return element("span", {}, hash(sha256), ...from, now);
}

/** @param {string} text */
const hash = (text) => element("code", { class: "hash", title: text }, text);
