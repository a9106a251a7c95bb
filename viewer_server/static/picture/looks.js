// Where the network looked lately: faint rectangles that fade within a second.

/**
 * @import { Box } from "../../page"
 * @import { DetectionsMessage } from "../../wire"
 * @typedef {{box: Box, age: number}} Look Its age is 0 for the frame that is drawn, and 1 for what is forgotten.
 */

const KEPT_MS = 1000;
const MAX_LOOKS = 512; // of a second; the oldest give way
const LIGHT = "255 236 179";
const DARK = "0 0 0";

export class LookLog {
  #session = "";
  /** @type {{at: number, boxes: Box[]}[]} */
  #frames = []; // those of the last second, the oldest first
  isKnown = false; // whether the node has said where it looks: one without tiles, or an older one, does not

  /**
   * Remembers where the network looked in a frame that was drawn.
   * @param {DetectionsMessage} detections
   */
  add({ session, captured_us: capturedUs, looked = [] }) {
    const at = capturedUs / 1000;
    if (session !== this.#session || at < (this.#frames.at(-1)?.at ?? 0)) this.#frames = [];
    if (session !== this.#session) this.isKnown = false;
    this.#session = session;
    this.isKnown ||= looked.length > 0;
    this.#frames.push({ at, boxes: looked });
    while (at - this.#frames[0].at >= KEPT_MS) this.#frames.shift();
    let count = this.#frames.reduce((sum, { boxes }) => sum + boxes.length, 0);
    while (count > MAX_LOOKS && this.#frames.length > 1) count -= this.#frames.shift()?.boxes.length ?? 0;
  }

  /**
   * The looks of the last second, the oldest first. Of those at one place, only the newest counts.
   * @returns {Look[]}
   */
  recent() {
    const now = this.#frames.at(-1)?.at ?? 0;
    /** @type {Map<string, Look>} */
    const looks = new Map();
    for (const { at, boxes } of this.#frames) {
      for (const box of boxes) {
        const key = box.join();
        looks.delete(key); // so that it is added at the end
        looks.set(key, { box, age: (now - at) / KEPT_MS });
      }
    }
    return [...looks.values()];
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Look[]} looks
 * @param {number} scale Device pixels in a CSS pixel.
 */
export function drawLooks(context, looks, scale) {
  const { width, height } = context.canvas;
  const inset = 1.5 * scale; // so that a look at the whole picture is seen, too
  for (const { box, age } of looks) {
    const [x1, y1, x2, y2] = box.map((side, i) => Math.round(side * (i % 2 ? height : width))); // whole pixels: thin lines stay sharp
    context.beginPath();
    context.rect(x1 + inset, y1 + inset, x2 - x1 - 2 * inset, y2 - y1 - 2 * inset);
    context.strokeStyle = `rgb(${DARK} / ${0.5 * (1 - age)})`;
    context.lineWidth = 3 * scale;
    context.stroke();
    context.strokeStyle = `rgb(${LIGHT} / ${0.85 * (1 - age)})`;
    context.lineWidth = scale;
    context.stroke();
  }
}
