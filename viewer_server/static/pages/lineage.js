// Which file a node's model is, where it comes from, and when another one took its place.

/** @import { ModelInfo } from "../../wire" */

import { element } from "../common/dom.js";
import { time } from "../common/format.js";

/** Shows models' files, and remembers for as long as the page is open which ones were exchanged. */
export class Lineages {
  /** @type {Map<string, { sha256: string, changedMs: number | null }>} */
  #known = new Map();

  /**
   * The file's hash, which is cut on the screen, and whole when hovered over or copied.
   * @param {string} node
   * @param {ModelInfo} model
   * @param {number} nowMs
   */
  show(node, model, nowMs) {
    const { sha256, parent, data, made } = model;
    if (!sha256) return null;
    const before = this.#known.get(node);
    const changedMs = before && before.sha256 !== sha256 ? nowMs : (before?.changedMs ?? null);
    this.#known.set(node, { sha256, changedMs });
    const shown = element("span", { class: "lineage" }, hash(sha256));
    if (parent) shown.append(" adapted from ", hash(parent));
    if (made) shown.append(` on ${made.slice(0, 10)}`);
    if (data) shown.append(" with pictures ", hash(data));
    if (changedMs !== null) shown.append(` (new since ${time(changedMs)})`);
    return shown;
  }

  /** @param {string[]} nodes Those that are still there. */
  keep(nodes) {
    for (const node of this.#known.keys()) if (!nodes.includes(node)) this.#known.delete(node);
  }
}

/** @param {string} text */
const hash = (text) => element("code", { class: "hash", title: text }, text);
