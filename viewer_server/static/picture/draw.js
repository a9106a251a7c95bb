// Draws one frame with its boxes, trails, zones, lines and masks.

/**
 * @import { Definitions, Point } from "../../page"
 * @import { DetectedObject, DetectionsMessage, IgnoredObject, ZoneState } from "../../wire"
 * @import { LookLog } from "./looks.js"
 * @import { TrackLog } from "./tracks.js"
 * @typedef {CanvasRenderingContext2D} Context
 * @typedef {{text: string, left: number, top: number, wide: number, high: number}} Plate
 * @typedef {object} Over What is drawn over the picture.
 * @property {Definitions | undefined} zones
 * @property {Definitions["filters"] | undefined} filters
 * @property {Map<string, ZoneState>} numbers By zone or line.
 * @property {TrackLog} tracks Includes this frame already.
 * @property {LookLog} looks Includes it, too.
 * @property {Record<"boxes" | "labels" | "trails" | "zones" | "ignored" | "looks", boolean>} show
 * @property {number | null} selected A track's id.
 */

import { colourOf, inkOn } from "../common/colours.js";
import { maskName, reasonOf } from "../common/ignoring.js";
import { isolated, shortened } from "../common/names.js";
import { drawLooks } from "./looks.js";

const ZONE = "#7fe3f2";
const MASK = "#c9d1d6";
const HALO = "rgb(0 0 0 / 0.6)";
const PLATE = "rgb(8 24 28 / 0.72)";

const TRAIL_MS = 4000;
const GROUND_WIDTH = 960; // of what is drawn where a camera gives no pictures, pixels at most
const MOST = 24; // characters of a name, so that its numbers stay on the plate

/**
 * What boxes are drawn on where a camera gives no pictures.
 * @param {{width: number, height: number}} frame Its size, pixels.
 */
export function ground({ width, height }) {
  const scale = Math.min(1, GROUND_WIDTH / width);
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#1b262b";
  context.fillRect(0, 0, canvas.width, canvas.height);
  return canvas.transferToImageBitmap();
}

/**
 * @param {Context} context
 * @param {CanvasImageSource} picture
 * @param {DetectionsMessage} detections Those of exactly this picture.
 * @param {Over} over
 * @param {number} scale Device pixels in a CSS pixel.
 */
export function draw(context, picture, detections, over, scale) {
  const { width, height } = context.canvas;
  const { tracks, show, selected } = over;
  /** @type {(point: Point) => Point} */
  const at = ([x, y]) => [x * width, y * height];
  context.drawImage(picture, 0, 0, width, height);
  context.lineJoin = context.lineCap = "round";
  context.textBaseline = "top";
  if (show.looks) drawLooks(context, over.looks.recent(), scale);
  if (over.zones && show.zones) {
    /** @param {string} key @param {{name?: string | null}} definition */
    const text = (key, { name }) => isolated(shortened(name ?? key, MOST)) + spoken(over.numbers.get(key));
    for (const [key, zone] of Object.entries(over.zones.zones)) drawZone(context, text(key, zone), zone.polygon.map(at), scale);
    for (const [name, mask] of Object.entries(over.zones.masks)) drawMask(context, maskName(name), mask.polygon.map(at), scale);
    for (const [key, line] of Object.entries(over.zones.lines)) drawLine(context, text(key, line), line.points.map(at), scale);
  }
  if (show.ignored) {
    drawIgnored(context, detections.ignored, (one) => reasonOf(one, over.filters, detections.height), scale);
  }
  if (show.trails) {
    for (const { track_id: id } of detections.objects) drawTrail(context, tracks.trail(id, TRAIL_MS).map(at), colourOf(id), scale);
  }
  if (!show.boxes) return;
  /** @param {DetectedObject} object */
  const rank = (object) => (object.track_id === selected ? 2 : Number(object.track_id === detections.main_track_id));
  for (const object of [...detections.objects].sort((a, b) => rank(a) - rank(b))) {
    const isMain = object.track_id === detections.main_track_id;
    drawObject(context, object, { isMain, isSelected: object.track_id === selected, hasLabel: show.labels }, scale);
  }
}

/**
 * A zone's or line's numbers in a few characters.
 * @param {ZoneState | undefined} numbers
 */
function spoken(numbers) {
  if (!numbers) return "";
  if (numbers.paused != null) return "  paused";
  return numbers.kind === "line" ? `  in ${numbers.entered} · out ${numbers.exited}` : `  ${numbers.occupancy}`;
}

/** @param {Context} context @param {Point[]} points @param {string} colour @param {number} scale */
function drawTrail(context, points, colour, scale) {
  if (points.length < 2) return;
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(x, y));
  stroke(context, colour, 2, scale);
}

/** @param {Context} context @param {string} colour @param {number} width @param {number} scale */
function stroke(context, colour, width, scale) {
  context.strokeStyle = HALO;
  context.lineWidth = (width + 2) * scale;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width * scale;
  context.stroke();
}

/** @param {Context} context @param {string} name @param {Point[]} corners @param {number} scale */
function drawZone(context, name, corners, scale) {
  context.beginPath();
  corners.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  context.fillStyle = "rgb(127 227 242 / 0.12)";
  context.fill();
  stroke(context, ZONE, 1.5, scale);
  const [x, y] = corners.reduce((a, b) => (b[0] + b[1] < a[0] + a[1] ? b : a));
  tag(context, name, x, y - 20 * scale, PLATE, ZONE, scale);
}

/** @param {Context} context @param {string} name @param {Point[]} corners @param {number} scale */
function drawMask(context, name, corners, scale) {
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  context.save();
  context.beginPath();
  corners.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  stroke(context, MASK, 1, scale);
  context.clip();
  context.beginPath();
  for (let x = left - (bottom - top); x < right; x += 9 * scale) {
    context.moveTo(x, bottom);
    context.lineTo(x + bottom - top, top);
  }
  context.globalAlpha = 0.4;
  context.lineWidth = scale;
  context.strokeStyle = MASK;
  context.stroke();
  context.restore();
  const [x, y] = corners.reduce((a, b) => (b[0] + b[1] < a[0] + a[1] ? b : a));
  tag(context, name, x, y - 20 * scale, PLATE, MASK, scale);
}

/**
 * Faint boxes. A text that would cover another one is left out; those with the best scores come first.
 * @param {Context} context
 * @param {IgnoredObject[]} objects
 * @param {(object: IgnoredObject) => string} reasonFor
 * @param {number} scale
 */
function drawIgnored(context, objects, reasonFor, scale) {
  const { width, height } = context.canvas;
  const small = width / scale < 480;
  /** @type {Plate[]} */
  const plates = [];
  context.save();
  context.globalAlpha = 0.75;
  context.setLineDash([2 * scale, 4 * scale]);
  for (const one of objects) {
    const [x1, y1, x2, y2] = one.box;
    context.beginPath();
    context.rect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
    stroke(context, MASK, 1.5, scale);
    const text = small ? reasonFor(one) : `${one.label}: ${reasonFor(one)}`;
    const plate = plateFor(context, text, x1 * width, y2 * height + 2 * scale, scale);
    if (plates.some((other) => overlap(plate, other))) continue;
    plates.push(plate);
    fillPlate(context, plate, PLATE, MASK, scale);
  }
  context.restore();
}

/** @param {Plate} a @param {Plate} b */
const overlap = (a, b) =>
  a.left < b.left + b.wide && b.left < a.left + a.wide && a.top < b.top + b.high && b.top < a.top + a.high;

/** @param {Context} context @param {string} name @param {Point[]} points @param {number} scale */
function drawLine(context, name, [[ax, ay], [bx, by]], scale) {
  context.beginPath();
  context.moveTo(ax, ay);
  context.lineTo(bx, by);
  stroke(context, ZONE, 2.5, scale);
  const length = Math.hypot(bx - ax, by - ay) || 1;
  // "in" is towards the right hand of somebody who walks from a to b; with y pointing down that is (-dy, dx).
  const [rx, ry] = [-(by - ay) / length, (bx - ax) / length];
  const [fx, fy] = [(bx - ax) / length, (by - ay) / length];
  const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
  const reach = 18 * scale;
  const wing = 5 * scale;
  const [tx, ty] = [mx + rx * reach, my + ry * reach];
  context.beginPath();
  context.moveTo(mx, my);
  context.lineTo(tx, ty);
  context.moveTo(tx - rx * wing * 1.4 + fx * wing, ty - ry * wing * 1.4 + fy * wing);
  context.lineTo(tx, ty);
  context.lineTo(tx - rx * wing * 1.4 - fx * wing, ty - ry * wing * 1.4 - fy * wing);
  stroke(context, ZONE, 2, scale);
  tag(context, "in", tx + rx * 12 * scale - 8 * scale, ty + ry * 12 * scale - 8 * scale, PLATE, ZONE, scale);
  const top = ay < by ? [ax, ay] : [bx, by];
  tag(context, name, top[0] + 6 * scale, top[1] + 4 * scale, PLATE, ZONE, scale);
}

/**
 * @param {Context} context
 * @param {DetectedObject} object
 * @param {{isMain: boolean, isSelected: boolean, hasLabel: boolean}} look
 * @param {number} scale
 */
function drawObject(context, object, { isMain, isSelected, hasLabel }, scale) {
  const { width, height } = context.canvas;
  const [x1, y1, x2, y2] = object.box;
  const colour = colourOf(object.track_id);
  context.beginPath();
  context.rect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
  if (isSelected) stroke(context, "#ffffff", 7, scale);
  if (object.predicted) context.setLineDash([6 * scale, 4 * scale]);
  stroke(context, colour, isMain ? 3.5 : 2, scale);
  context.setLineDash([]);
  if (!hasLabel) return;
  const small = width / scale < 480; // on a phone the names of things would cover the things
  const text = `${small ? "" : object.label} ${object.track_id}${isMain ? " · main" : ""}`.trim();
  tag(context, text, x1 * width, y1 * height - 19 * scale, colour, inkOn(colour), scale);
}

/**
 * Text on a filled plate, kept inside the picture.
 * @param {Context} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {string} plate
 * @param {string} ink
 * @param {number} scale
 */
function tag(context, text, x, y, plate, ink, scale) {
  fillPlate(context, plateFor(context, text, x, y, scale), plate, ink, scale);
}

/**
 * Where such a text goes.
 * @param {Context} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {number} scale
 * @returns {Plate}
 */
function plateFor(context, text, x, y, scale) {
  context.font = `600 ${12 * scale}px system-ui, sans-serif`;
  const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
  const [wide, high] = [context.measureText(shown).width + 10 * scale, 18 * scale];
  const left = Math.max(0, Math.min(x, context.canvas.width - wide));
  return { text: shown, left, top: Math.max(0, Math.min(y, context.canvas.height - high)), wide, high };
}

/** @param {Context} context @param {Plate} plate @param {string} colour @param {string} ink @param {number} scale */
function fillPlate(context, { text, left, top, wide, high }, colour, ink, scale) {
  context.fillStyle = colour;
  context.fillRect(left, top, wide, high);
  context.fillStyle = ink;
  context.fillText(text, left + 5 * scale, top + 3 * scale);
}
