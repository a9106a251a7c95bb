// How often something happens a second, from counts since the start in two metrics messages.

/**
 * @import { Metrics } from "../../wire"
 * @typedef {Record<string, number>} Numbers
 * @typedef {{session: string, at: number, counts: Record<string, Numbers>}} Reading
 */

import { own } from "../common/own.js";

export class LookRates {
  /** @type {Map<string, {before: Reading | null, newest: Reading}>} */
  #nodes = new Map();

  /**
   * Remembers a node's metrics.
   * @param {string} node
   * @param {Metrics} metrics
   */
  add(node, { session, published_us: publishedUs, cameras }) {
    const counts = Object.fromEntries(Object.entries(cameras).map(([name, { looks = {} }]) => [name, looks]));
    const { newest = null } = this.#nodes.get(node) ?? {};
    const at = publishedUs / 1e6;
    if (newest?.session === session && newest.at === at) return; // the same message
    const follows = newest !== null && newest.session === session && newest.at < at;
    this.#nodes.set(node, { before: follows ? newest : null, newest: { session, at, counts } });
  }

  /** Forgets nodes that are gone. @param {string[]} nodes Those that are there. */
  keep(nodes) {
    for (const node of this.#nodes.keys()) if (!nodes.includes(node)) this.#nodes.delete(node);
  }

  /** Whether any camera of a node says where the network looks. @param {string} node */
  isKnown(node) {
    return Object.values(this.#nodes.get(node)?.newest.counts ?? {}).some((looks) => Object.keys(looks).length > 0);
  }

  /**
   * Looks a second by purpose, between the last two messages; null until there are two.
   * @param {string} node
   * @param {string} camera
   * @returns {Numbers | null}
   */
  of(node, camera) {
    const { before, newest } = this.#nodes.get(node) ?? {};
    const [old, now] = [own(before?.counts, camera), own(newest?.counts, camera)];
    if (!before || !newest || !old || !now) return null;
    return Object.fromEntries(Object.entries(now).map(([purpose, count]) =>
      [purpose, Math.max(0, count - (own(old, purpose) ?? 0)) / (newest.at - before.at)]));
  }
}
