// Points, polygons and lines in fractions of the picture; the rules are the edge node's (docs/concepts/analytics.md).

/** @import { Anchor, Box, Kind, Point } from "../../page" */

const NEGLIGIBLE = 1e-6;
const EDGE = 1 - 1e-9; // the last row and column of the picture belong to it
const WHOLE = 0.98; // a mask over this share of the picture leaves nothing to see

/** @type {Record<Anchor, Point>} */
const ANCHORS = {
  bottom_center: [0.5, 1],
  center: [0.5, 0.5],
  center_left: [0, 0.5],
  center_right: [1, 0.5],
  top_center: [0.5, 0],
};
export const anchorNames = /** @type {Anchor[]} */ (Object.keys(ANCHORS));

/**
 * The point of a box that counts.
 * @param {Box} box
 * @param {Anchor} anchor
 * @returns {Point}
 */
export function anchorOf([x1, y1, x2, y2], anchor = "bottom_center") {
  const [across, down] = ANCHORS[anchor] ?? ANCHORS.bottom_center;
  return [x1 + (x2 - x1) * across, y1 + (y2 - y1) * down];
}

/**
 * Where an object stands: the point of its box that counts, moved into the picture.
 * @param {Box} box
 * @param {Anchor | undefined} anchor
 * @returns {Point}
 */
export function standing(box, anchor) {
  const [x, y] = anchorOf(box, anchor);
  return [Math.min(Math.max(x, 0), EDGE), Math.min(Math.max(y, 0), EDGE)];
}

/**
 * Whether a point is inside a polygon: even-odd rule, with a ray to the right.
 * @param {Point[]} polygon
 * @param {Point} point
 */
export function isInside(polygon, [x, y]) {
  let inside = false;
  polygon.forEach(([ax, ay], index) => {
    const [bx, by] = polygon[(index + 1) % polygon.length];
    if ((ay > y) !== (by > y) && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
  });
  return inside;
}

/**
 * Positive where the third point is on the right hand of somebody who walks from the first to the second.
 * @param {Point} a
 * @param {Point} b
 * @param {Point} point
 */
export const sideOf = ([ax, ay], [bx, by], [x, y]) => (bx - ax) * (y - ay) - (by - ay) * (x - ax);

/**
 * 1 when the motion from p to q goes through the line inwards, -1 outwards, 0 not at all.
 * @param {Point[]} line
 * @param {Point} p
 * @param {Point} q
 */
export function crossing([a, b], p, q) {
  const [before, after] = [sideOf(a, b, p) >= 0, sideOf(a, b, q) >= 0];
  if (before === after || sideOf(p, q, a) >= 0 === sideOf(p, q, b) >= 0) return 0;
  return after ? 1 : -1;
}

/**
 * @param {Point[]} polygon
 * @returns {[Point, Point][]}
 */
const edges = (polygon) => polygon.map((corner, index) => [corner, polygon[(index + 1) % polygon.length]]);

/** @param {Point[]} polygon */
export function area(polygon) {
  return Math.abs(edges(polygon).reduce((sum, [[ax, ay], [bx, by]]) => sum + ax * by - bx * ay, 0)) / 2;
}

/** @param {Point[]} polygon */
function crossesItself(polygon) {
  const all = edges(polygon);
  return all.some(([a, b], i) => all.some(([c, d], j) => {
    if (j <= i + 1 || (i === 0 && j === all.length - 1)) return false;
    return sideOf(a, b, c) * sideOf(a, b, d) < 0 && sideOf(c, d, a) * sideOf(c, d, b) < 0;
  }));
}

/** @type {Box} */
const PICTURE = [0, 0, 1, 1];

/**
 * The part of a polygon or a line that is within a box (Sutherland and Hodgman's algorithm).
 * @param {Point[]} points
 * @param {boolean} closed
 * @param {Box} box
 */
function clipped(points, closed, [x1, y1, x2, y2] = PICTURE) {
  /** @type {((p: Point) => number)[]} */
  const inward = [(p) => p[0] - x1, (p) => x2 - p[0], (p) => p[1] - y1, (p) => y2 - p[1]];
  return inward.reduce((left, distance) => {
    /** @type {Point[]} */
    const kept = [];
    left.forEach((p, index) => {
      if (distance(p) >= 0) kept.push(p);
      if (index === left.length - 1 && !closed) return;
      const q = left[(index + 1) % left.length];
      if (distance(p) >= 0 === distance(q) >= 0) return;
      const share = distance(p) / (distance(p) - distance(q));
      kept.push([p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share]);
    });
    return kept;
  }, points);
}

/**
 * The share of a box's area that is inside a polygon, from 0 to 1.
 * @param {Point[]} polygon
 * @param {Box} box
 */
export function shareInside(polygon, box) {
  const whole = (box[2] - box[0]) * (box[3] - box[1]);
  return whole > 0 ? area(clipped(polygon, true, box)) / whole : 0;
}

/**
 * What is wrong with a zone, line or mask; null when nothing is.
 * @param {Kind} kind
 * @param {Point[]} points
 */
export function problemOf(kind, points) {
  if (kind !== "line") {
    const never = kind === "zone" ? "can never count anything" : "can never ignore anything";
    if (crossesItself(points)) return "crosses itself: move its corners so that its border does not";
    if (area(points) < NEGLIGIBLE) return `${never}: it has no area`;
    const left = area(clipped(points, true));
    if (left < NEGLIGIBLE) return `${never}: it lies outside the picture`;
    return kind === "mask" && left >= WHOLE ? "covers the whole picture" : null;
  }
  const [a, b] = points;
  if (Math.hypot(b[0] - a[0], b[1] - a[1]) < NEGLIGIBLE) return "can never count anything: it has no length";
  if (!clipped(points, false).length) return "can never count anything: it lies outside the picture";
  /** @type {Point[]} */
  const corners = [[0, 0], [1, 0], [0, 1], [1, 1]];
  const sides = corners.map((corner) => sideOf(a, b, corner));
  const oneSided = Math.min(...sides) > -NEGLIGIBLE || Math.max(...sides) < NEGLIGIBLE;
  return oneSided ? "can never count anything: all of the picture lies on one side of it" : null;
}
