// The panel beside a held picture: its objects, and what is known of the selected one.

/**
 * @import { DetectedObject, DetectionsMessage } from "../../wire"
 * @import { Tile } from "./tile.js"
 */

import { colourOf } from "../common/colours.js";
import { button, byId, element } from "../common/dom.js";
import { duration, time } from "../common/format.js";
import { called, isolated } from "../common/names.js";
import { address } from "../common/rest.js";

const SIDE = 160; // CSS pixels

/**
 * Fills the panel's section with the objects of the held frame; hides it when no frame is held.
 * @param {Tile} tile
 * @param {(id: number) => void} select
 */
export function inspect(tile, select) {
  const section = byId("inspect");
  const { detections } = tile;
  section.hidden = !tile.paused || !detections;
  if (!tile.paused || !detections) return section.replaceChildren();
  const active = document.activeElement;
  const focused = active instanceof HTMLElement && section.contains(active) ? active.dataset.track : undefined;
  const buttons = detections.objects.map((object) => {
    const made = button("", () => select(object.track_id), {
      class: "row-button", "data-track": object.track_id, "aria-pressed": object.track_id === tile.selected,
    });
    made.append(swatch(object.track_id), nameOf(object, detections));
    return made;
  });
  const object = detections.objects.find(({ track_id: id }) => id === tile.selected);
  section.replaceChildren(
    element("h2", {}, object ? nameOf(object, detections) : "This picture"),
    ...(object ? life(tile, object, detections) : [element("p", { class: "quiet" }, "Click a box, or choose an object.")]),
    element("div", { class: "rows" }, ...buttons),
    ...(buttons.length ? [] : [element("p", { class: "quiet" }, "No object is on it.")]),
  );
  buttons.find(({ dataset }) => dataset.track === focused)?.focus();
}

/** @param {DetectedObject} object @param {DetectionsMessage} detections */
const nameOf = (object, { main_track_id: main }) => `${object.label} ${object.track_id}${object.track_id === main ? " · main" : ""}`;

/** @param {number} id */
function swatch(id) {
  const made = element("span", { class: "dot", "aria-hidden": "true" });
  made.style.background = colourOf(id);
  return made;
}

/** @param {Tile} tile @param {DetectedObject} object @param {DetectionsMessage} detections */
function life(tile, object, detections) {
  const at = detections.captured_us / 1000;
  const zones = tile.tracks.zonesOf(object.track_id).map(([name, since]) =>
    `${isolated(called(tile.node, tile.camera, name))} (${time(since)})`);
  const facts = {
    "First seen": time(at - object.age_s * 1000),
    Duration: duration(object.age_s),
    Speed: speedOf(object, detections),
    Score: `${Math.round(object.score * 100)} %${object.predicted ? ", this box is only predicted" : ""}`,
    Zones: zones.join(", ") || "none",
  };
  const shots = element("div", { class: "shots" });
  const picture = tile.cutOut(object.box, SIDE);
  if (picture) {
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", "The object on this picture");
    shots.append(figure(picture, "on this picture"));
  }
  bestView(tile, object.track_id, shots);
  return [shots, element("dl", { class: "facts" }, ...Object.entries(facts).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))))];
}

/**
 * Adds the node's best snapshot of the track, if it has published one.
 * @param {Tile} tile
 * @param {number} id
 * @param {HTMLElement} shots
 */
function bestView(tile, id, shots) {
  if (!tile.tracks.hasPicture(id)) return;
  const image = element("img", { alt: "The best view of it so far" });
  image.addEventListener("load", () => shots.append(figure(image, "best view")));
  const of = [tile.node, tile.camera, id].map(encodeURIComponent).join("/");
  image.src = address(`snapshots/${of}`, { session: tile.tracks.session });
}

/** @param {HTMLElement} picture @param {string} text */
const figure = (picture, text) =>
  element("figure", {}, picture, element("figcaption", { class: "quiet" }, text));

/** @param {DetectedObject} object @param {DetectionsMessage} detections */
function speedOf({ speed_m_s: metres, velocity: [dx, dy] }, { width, height }) {
  if (metres != null) return `${metres.toFixed(1)} m/s`;
  const share = Math.hypot(dx * width, dy * height) / width;
  return `${(share * 100).toFixed(1)} % of the picture's width per s`;
}
