// The node's heatmap over the newest picture of its camera.

/** @import { CameraSummary } from "../../wire" */

import { byId, canvasById, context2d, messageOf } from "../common/dom.js";
import { duration } from "../common/format.js";
import { ask, pictureOf } from "../common/rest.js";

// From dark violet over magenta and orange to pale yellow: brighter is more, for any colour vision and in grey.
const RAMP = [[20, 11, 53], [101, 26, 110], [183, 55, 84], [237, 105, 37], [251, 180, 26], [252, 255, 164]];
const FAINT = 0.02;

export class Heat {
  /** @type {CameraSummary | null} */
  #camera = null;

  constructor() {
    const scale = canvasById("heat-bar");
    byId("heat-again").addEventListener("click", () => this.#load());
    context2d(scale).putImageData(bar(scale.width), 0, 0);
  }

  /** @param {CameraSummary | null} camera */
  show(camera) {
    this.#camera = camera;
    byId("heat").hidden = camera === null;
    byId("heat-canvas").hidden = true;
    byId("heat-scale").hidden = true;
    this.#load();
  }

  async #load() {
    const asked = this.#camera;
    if (!asked) return;
    byId("heat-note").textContent = "Asking the node";
    try {
      const { node, camera } = asked;
      const [picture, map] = await Promise.all([pictureOf(asked), ask("heatmap", { node, camera })]);
      if (asked === this.#camera) draw(picture, map.seconds);
    } catch (error) {
      if (asked === this.#camera) byId("heat-note").textContent = `No heatmap: ${messageOf(error)}`;
    }
  }
}

/** @param {ImageBitmap | null} picture @param {number[][]} seconds */
function draw(picture, seconds) {
  const [rows, columns] = [seconds.length, seconds[0]?.length ?? 0];
  if (!columns) throw new Error("the node has no heatmap");
  const most = Math.max(...seconds.flat());
  const canvas = canvasById("heat-canvas");
  canvas.width = picture?.width ?? 960;
  canvas.height = picture?.height ?? Math.round((960 * rows) / columns);
  const context = context2d(canvas);
  if (picture) {
    context.filter = "grayscale(1) brightness(.75)";
    context.drawImage(picture, 0, 0);
    context.filter = "none";
  }
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d")?.putImageData(cells(seconds, most), 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  canvas.setAttribute("aria-label", `Heatmap of ${columns} by ${rows} cells; ${hottest(seconds, most)}`);
  canvas.hidden = false;
  byId("heat-scale").hidden = most === 0;
  byId("heat-high").textContent = `${duration(most / 4)} in the middle, ${duration(most)} at the end`;
  byId("heat-note").textContent = most ? `${hottest(seconds, most)}.` : "Nobody was there lately.";
}

/** @param {number} share */
function colour(share) {
  const at = Math.min(0.9999, share) * (RAMP.length - 1);
  const [low, high, part] = [RAMP[Math.floor(at)], RAMP[Math.floor(at) + 1], at % 1];
  return low.map((value, i) => value + (high[i] - value) * part);
}

/** @param {number[][]} seconds @param {number} most */
function cells(seconds, most) {
  const image = new ImageData(seconds[0].length, seconds.length);
  seconds.flat().forEach((value, i) => {
    const share = most ? Math.sqrt(value / most) : 0; // a root: else one who stood still would hide all who walked
    image.data.set([...colour(share), share < FAINT ? 0 : 90 + 130 * share], i * 4);
  });
  return image;
}

/** @param {number} width */
function bar(width) {
  const image = new ImageData(width, 1);
  for (let i = 0; i < width; i += 1) image.data.set([...colour(i / width), 255], i * 4);
  return image;
}

/** @param {number[][]} seconds @param {number} most */
function hottest(seconds, most) {
  const row = seconds.findIndex((line) => line.includes(most));
  const across = (seconds[row].indexOf(most) + 0.5) / seconds[row].length;
  const down = (row + 0.5) / seconds.length;
  return `Most time in one place ${duration(most)}, ${Math.round(across * 100)} % from the left and ${Math.round(down * 100)} % from the top`;
}
