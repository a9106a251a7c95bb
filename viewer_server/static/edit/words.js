// What the editor says about zones, lines and masks.

/**
 * @import { EditedCamera, Kind, Shape } from "../../page"
 */

/**
 * A kind at the beginning of a sentence.
 * @param {Kind} kind
 */
export const titleOf = (kind) => ({ zone: "Zone", line: "Line", mask: "Mask" })[kind];

/**
 * What people call a shape.
 * @param {Shape} shape
 */
export const nameOf = ({ name, more }) => more.name || name;

/**
 * What to do next.
 * @param {Kind | null} tool What is drawn; null for nothing.
 * @param {number} corners How many of it are drawn.
 * @param {Shape | undefined} shape What is selected.
 * @param {boolean} isEmpty Whether there is nothing to select.
 */
export function advice(tool, corners, shape, isEmpty) {
  const click = matchMedia("(pointer: coarse)").matches ? "Tap" : "Click";
  if (tool === "line") return `${click} where the line ${corners ? "ends" : "starts"}.`;
  if (tool) return corners < 3 ? `${click} corner ${corners + 1} of the ${tool}.` : `${click} more corners, or finish the ${tool}.`;
  if (shape?.kind === "line") return "Who crosses along the arrow counts as in. Drag the ends to move them, then save.";
  if (shape?.kind === "mask") return `Mask: never report ${ignoredBy(shape)} here. Drag a corner, a small dot, or the whole mask. Then save.`;
  if (shape) return "Drag a corner, or the whole zone; drag a small dot to add a corner. Then save.";
  return isEmpty ? "Nothing is drawn yet." : "Select a zone, line or mask to change it.";
}

/**
 * What a mask keeps from being reported.
 * @param {Shape} mask
 */
const ignoredBy = ({ more: { classes = [] } }) => (classes.length > 3 ? `${classes.length} classes` : classes.join(", ") || "anything");

/**
 * What a shape would do to what the camera sees.
 * @param {Shape} shape
 * @param {EditedCamera["tracks"]} tracks
 */
export function preview({ kind, points, more }, tracks) {
  const { anchor, classes = [] } = more;
  if (kind === "zone") return `${tracks.inside(points, anchor, classes)} inside now`;
  if (kind === "mask") return `hides ${tracks.hidden(points, more)} now`;
  const found = tracks.crossings(points, anchor, classes);
  return `${found.in} in, ${found.out} out in ${tracks.overMs / 1000} s`;
}
