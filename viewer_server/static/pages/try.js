// Shows what a node's detector finds on a picture of the visitor's own.

/** @import { DetectAnswer, FoundObject } from "../../wire" */

import { colourOf } from "../common/colours.js";
import { byId, canvasById, context2d, element, inputById, messageOf, selectById } from "../common/dom.js";
import { tally } from "../common/own.js";
import { ask } from "../common/rest.js";

const MOST_BYTES = 650_000;
const SIDES = [1920, 1280, 960, 640]; // tried one after the other until the picture is small enough

/**
 * Offers the nodes that can be asked.
 * @param {[string, string][]} nodes Identifier and name of each.
 */
export function offerNodes(nodes) {
  const select = selectById("try-node");
  const wanted = nodes.length ? nodes : [["", "none is online"]];
  if (wanted.join("\n") === [...select.options].map(({ value, text }) => [value, text]).join("\n")) return;
  const kept = select.value;
  select.replaceChildren(...wanted.map(([value, text]) => element("option", { value }, text)));
  if (wanted.some(([value]) => value === kept)) select.value = kept;
}

/**
 * The file itself if it is small enough, else a smaller JPEG of it.
 * @param {File} file
 * @param {ImageBitmap} bitmap
 */
async function shrunk(file, bitmap) {
  if (file.size <= MOST_BYTES && /^image\/(jpeg|png)$/.test(file.type)) return file;
  for (const side of SIDES) {
    const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const made = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
    if (made.size <= MOST_BYTES) return made;
  }
  throw new Error("This picture cannot be made small enough.");
}

/** @param {SubmitEvent} event */
async function detect(event) {
  event.preventDefault();
  const note = byId("try-note");
  const button = event.submitter;
  const [file] = inputById("try-file").files ?? [];
  if (!file) return;
  button?.toggleAttribute("disabled", true);
  note.textContent = "Looking";
  byId("try-table").replaceChildren();
  try {
    const bitmap = await createImageBitmap(file).catch(() => { throw new Error("This browser cannot read that picture."); });
    const body = await shrunk(file, bitmap);
    const confidence = Number(inputById("try-confidence").value) / 100;
    const which = { node: selectById("try-node").value, confidence };
    show(bitmap, await ask("detect", which, { method: "POST", body, headers: { "Content-Type": body.type } }));
  } catch (error) {
    byId("try-canvas").hidden = true;
    note.textContent = messageOf(error);
  }
  button?.toggleAttribute("disabled", false);
}

/** @param {ImageBitmap} bitmap @param {DetectAnswer} found */
function show(bitmap, found) {
  const canvas = canvasById("try-canvas");
  canvas.hidden = false;
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = context2d(canvas);
  const scale = Math.max(1, bitmap.width / (canvas.clientWidth || bitmap.width));
  context.drawImage(bitmap, 0, 0);
  context.font = `600 ${13 * scale}px system-ui, sans-serif`;
  found.objects.forEach((object, i) => outline(context, object, colourOf(i), scale));
  canvas.dataset.objects = String(found.objects.length);
  const said = tally(found.objects.map(({ label }) => label)) || "nothing that it knows";
  const spent = Object.entries(found.timings_ms).map(([name, value]) => `${name} ${value.toFixed(1)} ms`).join(", ");
  byId("try-note").textContent = `Node ${nodeName(found.node)} sees ${said}. ${spent}${found.backend ? ` (${found.backend})` : ""}`;
  canvas.setAttribute("aria-label", `Your picture: ${said}`);
  byId("try-table").replaceChildren(...list(found.objects));
}

/** The option's text of a node that was asked. @param {string} node */
const nodeName = (node) => [...selectById("try-node").options].find(({ value }) => value === node)?.text ?? node;

/** @param {CanvasRenderingContext2D} context @param {FoundObject} object @param {string} colour @param {number} scale */
function outline(context, { label, score, box: [x1, y1, x2, y2] }, colour, scale) {
  const { width, height } = context.canvas;
  const [left, top] = [x1 * width, y1 * height];
  context.lineWidth = 5 * scale;
  context.strokeStyle = "rgb(0 0 0 / .6)";
  context.strokeRect(left, top, (x2 - x1) * width, (y2 - y1) * height);
  context.lineWidth = 2.5 * scale;
  context.strokeStyle = colour;
  context.strokeRect(left, top, (x2 - x1) * width, (y2 - y1) * height);
  const text = `${label} ${Math.round(score * 100)} %`;
  const high = 20 * scale;
  const y = Math.max(0, top - high);
  context.fillStyle = "rgb(8 24 28 / .8)";
  context.fillRect(left, y, context.measureText(text).width + 10 * scale, high);
  context.fillStyle = "#fff";
  context.fillText(text, left + 5 * scale, y + 15 * scale);
}

/** @param {FoundObject[]} objects */
function list(objects) {
  if (!objects.length) return [];
  const head = ["Class", "Score", "Box: x1, y1, x2, y2"].map((text) => element("th", { scope: "col" }, text));
  const rows = objects.map(({ label, score, box }) => element("tr", {}, element("th", { scope: "row" }, label),
    element("td", {}, `${Math.round(score * 100)} %`), element("td", {}, box.map((v) => v.toFixed(3)).join(", "))));
  return [element("details", {}, element("summary", {}, "As a table"),
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)))];
}

/** @type {HTMLFormElement} */ (byId("try")).addEventListener("submit", detect);
