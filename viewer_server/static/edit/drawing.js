// A zone, line or mask while it is drawn: its corners so far, and the cross that the arrow keys move.

/**
 * @import { Kind, Point } from "../../page"
 * @import { Scale } from "./figures.js"
 */

import { svg } from "../common/dom.js";
import { arrow, pointList } from "./figures.js";

/** @param {number} value */
export const clamp = (value) => Math.min(1, Math.max(0, value));

export class Drawing {
  /** @type {Kind | null} What is drawn; null for nothing. */
  tool = null;
  /** @type {Point[]} */
  corners = [];
  /** @type {Point} Where the pointer or the cross is. */
  #cross = [0.5, 0.5];
  #crossShown = false;

  /** @param {Kind | null} tool */
  begin(tool) {
    this.tool = tool;
    this.corners = [];
    this.#crossShown = false;
  }

  /** Whether the corners make an area already. */
  get canFinish() {
    return this.tool !== null && this.tool !== "line" && this.corners.length >= 3;
  }

  /**
   * Adds a corner.
   * @param {Point} point
   * @param {(a: Point, b: Point) => boolean} isNear
   * @returns {boolean} Whether the shape is complete.
   */
  add(point, isNear) {
    const last = this.corners.at(-1);
    if (this.canFinish && isNear(point, this.corners[0])) return true;
    if (last && isNear(point, last)) return false; // the second half of a double click
    this.corners.push(point);
    return this.tool === "line" && this.corners.length === 2;
  }

  /** The point of the cross. @returns {Point} */
  get cross() {
    return [...this.#cross];
  }

  /**
   * Follows the pointer.
   * @param {Point} point
   */
  follow(point) {
    this.#cross = point;
    this.#crossShown = false;
  }

  /**
   * Moves the cross, and shows it.
   * @param {Point} by
   */
  moveCross([dx, dy]) {
    this.#cross = [clamp(this.#cross[0] + dx), clamp(this.#cross[1] + dy)];
    this.#crossShown = true;
  }

  /**
   * @param {Scale} at
   * @returns {SVGElement[]}
   */
  figures(at) {
    if (!this.tool) return [];
    const corners = this.corners.map(at);
    const [x, y] = at(this.#cross);
    const list = pointList([...corners, ...(this.#crossShown || corners.length ? [at(this.#cross)] : [])]);
    /** @type {SVGElement[]} */
    const made = [svg("polyline", { class: "halo", points: list }), svg("polyline", { class: "ink drawing", points: list })];
    if (this.tool === "line" && corners.length === 1) made.push(...arrow(corners[0], [x, y]));
    corners.forEach(([cx, cy], index) => {
      const closes = index === 0 && corners.length >= 3;
      made.push(svg("circle", { class: closes ? "dot close" : "dot", cx, cy, r: 6 }));
    });
    if (this.#crossShown) made.push(svg("path", { class: "cross", d: `M${x - 12} ${y}h24M${x} ${y - 12}v24` }));
    return made;
  }
}
