// The SVG figures of zones, lines and masks, and the handles that move them. Coordinates are CSS pixels of the overlay.

/**
 * @import { Point, Shape } from "../../page"
 * @typedef {(point: Point) => Point} Scale From fractions of the picture to pixels.
 */

import { svg } from "../common/dom.js";
import { nameOf, titleOf } from "./words.js";

/** @param {number} value */
const percent = (value) => `${Math.round(value * 100)} %`;

/** @param {Point[]} points */
export const pointList = (points) => points.map((point) => point.join()).join(" ");

/** The pattern that fills masks; the style sheet names it. */
export const hatching = () => svg("defs", {}, svg("pattern", { id: "hatch", width: 9, height: 9, patternUnits: "userSpaceOnUse",
  patternTransform: "rotate(45)" }, svg("path", { d: "M0 0V9" })));

/**
 * A zone, line or mask with its name; data-shape holds its index.
 * @param {Shape} shape
 * @param {number} index
 * @param {Scale} at
 * @param {number} width Of the overlay.
 * @param {{isSelected: boolean, isReachable: boolean}} state Reachable: with the Tab key.
 */
export function figureOf(shape, index, at, width, { isSelected, isReachable }) {
  const { kind, points } = shape;
  const name = nameOf(shape);
  const corners = points.map(at);
  const list = pointList(corners);
  const label = svg("text", {}, name);
  const body = svg("g", {
    class: `shape ${kind}${isSelected ? " selected" : ""}`, role: "button", tabindex: isReachable ? 0 : -1,
    "aria-pressed": isSelected, "aria-label": `${titleOf(kind)} ${name}`,
    "data-key": `shape-${index}`, "data-shape": index,
  });
  if (kind !== "line") {
    const [x, y] = corners.reduce((a, b) => (b[1] < a[1] ? b : a));
    place(label, x, y - 8, width);
    body.append(svg("polygon", { class: "halo", points: list }), svg("polygon", { class: "ink", points: list }), label);
  } else {
    const [from, to] = corners;
    const [x, y] = from[1] < to[1] ? from : to;
    place(label, x < width / 2 ? x + 10 : x - 10, y - 4, width);
    body.append(svg("polyline", { class: "grip", points: list }), svg("polyline", { class: "halo", points: list }),
      svg("polyline", { class: "ink", points: list }), ...arrow(from, to), label);
  }
  return { body, label };
}

/**
 * The handles of a shape: data-corner for each corner, data-middle for where another corner can be added.
 * @param {Shape} shape
 * @param {Scale} at
 */
export function handlesOf(shape, at) {
  const { kind, points } = shape;
  const name = nameOf(shape);
  const count = points.length;
  /** @param {"corner" | "middle"} role @param {number} index @param {Point} where @param {string} about */
  const handle = (role, index, where, about) => {
    const [x, y] = at(where);
    const small = role === "middle";
    return svg("g", {
      class: small ? "handle small" : "handle", role: "button", tabindex: 0, "aria-label": about,
      "data-key": `${role}-${index}`, [`data-${role}`]: index,
    }, svg("circle", { class: "grip", cx: x, cy: y, r: small ? 11 : 18 }), svg("circle", { class: "dot", cx: x, cy: y, r: small ? 4 : 7 }));
  };
  const corners = points.map((point, index) => {
    const what = kind === "line" ? ["Start", "End"][index] : `Corner ${index + 1} of ${count}`;
    return handle("corner", index, point, `${what} of ${name}, ${percent(point[0])} across, ${percent(point[1])} down`);
  });
  if (kind === "line") return corners;
  const middles = points.map((point, index) =>
    handle("middle", index, middleOf(point, points[(index + 1) % count]), `Add a corner after corner ${index + 1} of ${name}`));
  return [...middles, ...corners];
}

/** @param {string | undefined} text The index in a data attribute. */
const indexOf = (text) => (text === undefined ? undefined : Number(text));

/**
 * The figure or handle at an element: its key, and the index of its shape, corner or middle.
 * @param {EventTarget | null} target
 */
export function partAt(target) {
  const part = target instanceof Element ? target.closest("[data-key]") : null;
  const { key, shape, corner, middle } = part instanceof SVGElement ? part.dataset : /** @type {DOMStringMap} */ ({});
  return { key, shape: indexOf(shape), corner: indexOf(corner), middle: indexOf(middle) };
}

/**
 * @param {Point} a
 * @param {Point} b
 * @returns {Point}
 */
export const middleOf = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

/**
 * Puts a text at a point. It begins there, or ends there in the right half of the picture.
 * @param {SVGTextElement} label
 * @param {number} x
 * @param {number} y
 * @param {number} width Of the overlay.
 */
function place(label, x, y, width) {
  label.setAttribute("x", String(Math.min(width - 4, Math.max(4, x))));
  label.setAttribute("y", String(Math.max(16, y)));
  label.setAttribute("text-anchor", x < width / 2 ? "start" : "end");
}

/**
 * The arrow of "in": to the right hand of somebody who walks from a to b; y points down.
 * @param {Point} a
 * @param {Point} b
 */
export function arrow([ax, ay], [bx, by]) {
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [fx, fy] = [(bx - ax) / length, (by - ay) / length];
  const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
  const [tx, ty] = [mx - fy * 28, my + fx * 28];
  /** @param {number} side */
  const wing = (side) => `${tx + fy * 9 + fx * 7 * side} ${ty - fx * 9 + fy * 7 * side}`;
  const path = `M${mx} ${my}L${tx} ${ty}M${wing(1)}L${tx} ${ty}L${wing(-1)}`;
  const label = svg("text", { class: "in", x: tx - fy * 14, y: ty + fx * 14 + 4, "text-anchor": "middle" }, "in");
  return [svg("path", { class: "halo", d: path }), svg("path", { class: "ink", d: path }), label];
}
