// Zones, lines and masks that are moved as the camera's view has moved.

/**
 * @import { Definitions, Point } from "../../page"
 * @import { ViewShift } from "../../wire"
 */

/**
 * Where a point of the view of before lies now: turned and scaled about the middle of the frame, then shifted.
 * Angles are those of the picture, whose fractions are not as long across as down.
 * @param {Point} point Fractions of the frame.
 * @param {ViewShift} shift
 * @param {number} aspect The frame's width over its height.
 * @returns {Point}
 */
export function moved([x, y], { dx, dy, degrees, scale }, aspect) {
  const [across, down] = [(x - 0.5) * aspect, y - 0.5];
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  return [0.5 + (across * cos - down * sin) / aspect + dx, 0.5 + across * sin + down * cos + dy];
}

/**
 * Definitions as they have to be for the new view. The node takes no points further out than one frame.
 * @template {Definitions} T
 * @param {T} definitions
 * @param {ViewShift} shift
 * @param {number} aspect
 * @returns {T}
 */
export function putBack(definitions, shift, aspect) {
  const made = structuredClone(definitions);
  /** @param {Point[]} points */
  const all = (points) => points.forEach((point) => {
    const [x, y] = moved(point, shift, aspect);
    [point[0], point[1]] = [Math.min(2, Math.max(-1, x)), Math.min(2, Math.max(-1, y))];
  });
  for (const area of [...Object.values(made.zones), ...Object.values(made.masks)]) all(area.polygon);
  for (const line of Object.values(made.lines)) all(line.points);
  return made;
}
