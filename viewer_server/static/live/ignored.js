// The panel beside a camera: its masks and filters, and how much each has dropped.

/** @import { Tile } from "./tile.js" */

import { byId, element } from "../common/dom.js";
import { countName, filterText, isLeftOut, maskName, parts } from "../common/ignoring.js";

/**
 * Fills the panel's section; hides it when the camera ignores nothing.
 * @param {Tile | null} tile The camera whose page is open.
 */
export function showIgnored(tile) {
  const { masks = {}, filters = {} } = tile?.zones ?? {};
  const counts = tile?.metrics?.ignored ?? {};
  const rows = [
    ...Object.entries(masks).map(([name, { classes = [] }]) => // just saved: without defaults
      row(maskName(name), counts[`mask:${name}`] ?? 0, `never reports ${classes.join(", ") || "anything"}`)),
    ...Object.entries(filters).map(([name, filter]) => row(name === "all" ? "any class" : name, null, `drops: ${filterText(filter)}`)),
  ];
  const others = parts(counts).filter(([key]) => !key.startsWith("mask"));
  const said = [
    sentence("Dropped by filters since the node started", others.filter(([key]) => !isLeftOut(key))),
    sentence("Left out of what the camera sent since the node started", others.filter(([key]) => isLeftOut(key))),
  ].flat();
  const section = byId("ignored");
  section.hidden = !rows.length && !said.length;
  const fresh = element("div", {}, element("h2", {}, "Ignored"), element("div", { class: "camera-zones" }, ...rows), ...said);
  if (fresh.innerHTML !== section.innerHTML) section.replaceChildren(...fresh.children); // else somebody may be reading it
}

/** @param {string} start @param {[string, number][]} counts */
const sentence = (start, counts) =>
  counts.length ? [element("p", { class: "quiet" }, `${start}: ${counts.map(([key, count]) => `${count} ${countName(key)}`).join(", ")}`)] : [];

/**
 * @param {string} name
 * @param {number | null} count
 * @param {string} more
 */
function row(name, count, more) {
  const big = count === null ? [] : [String(count), element("small", {}, "dropped")];
  return element("div", { class: "zone" }, element("span", { class: "name" }, name), element("span", { class: "big" }, ...big),
    element("span", { class: "more" }, more));
}
