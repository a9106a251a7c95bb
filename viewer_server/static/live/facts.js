// The numbers below a camera's picture: objects, rates, age, and what was lost.

/**
 * @import { FrameHeader } from "../../page"
 * @import { CameraMetrics } from "../../wire"
 * @import { ServerClock } from "../common/clock.js"
 */

import { element } from "../common/dom.js";
import { time } from "../common/format.js";

const STALE_MS = 1000; // an older frame says nothing about now
const FPS_OVER_MS = 3000;
const BELIEVABLE_AGE_MS = 60_000;
const AGES = 15; // so many of the last frames give the age
const DROPPED = "Frames of this run that the node did not report: replaced by a newer one, held back by a rate, or not taken " +
  "by the connection. Lost on the way: reported by the node, and not received by the viewer";

export class Facts {
  #values = {
    objects: element("dd"), fps: element("dd"), age: element("dd"), analysed: element("dd"), drops: element("dd"), seen: element("dd"),
  };
  /** @type {number[]} */
  #drawn = []; // when each frame of the last seconds was drawn, for the frame rate
  /** @type {number[]} */
  #ages = [];
  #seenSince = 0; // since when the tile is on the screen: frames come only then
  #over = 0; // how long frames could come, of the last seconds
  root;

  /** @param {ServerClock} clock */
  constructor(clock) {
    this.clock = clock;
    const { objects, fps, age, analysed, drops, seen } = this.#values;
    /** @param {string} name @param {HTMLElement} value */
    const fact = (name, value, more = "", title = "") =>
      element("div", { class: more, title: title || undefined }, element("dt", {}, name), value);
    this.root = element("dl", {}, fact("Objects", objects), fact("Pictures", fps), fact("Age", age),
      fact("Analysed", analysed, "more"), fact("Dropped", drops, "more", DROPPED), fact("Last seen", seen, "more"));
  }

  /**
   * Notes that a frame was drawn; returns whether it is the first one for a while.
   * @param {FrameHeader} header
   */
  note({ picture, detections }) {
    const now = this.clock.now();
    if (now - picture.received_us / 1000 > STALE_MS) return false;
    this.#drawn.push(now);
    this.#ages.push(now - detections.captured_us / 1000);
    if (this.#ages.length > AGES) this.#ages.shift();
    return this.#drawn.length === 1;
  }

  /**
   * Whether frames should have come lately, and have not.
   * @param {number} now
   * @param {boolean} isSeen Whether the tile is on the screen.
   */
  isQuiet(now, isSeen) {
    while (this.#drawn.length && now - this.#drawn[0] > FPS_OVER_MS) this.#drawn.shift();
    if (!isSeen) this.#seenSince = now;
    this.#over = Math.min(FPS_OVER_MS, Math.max(1000, now - this.#seenSince));
    return this.#drawn.length === 0 && this.#over === FPS_OVER_MS;
  }

  /**
   * Brings the numbers up to date, after `isQuiet`.
   * @param {FrameHeader | undefined} header Of the frame that is drawn.
   * @param {boolean} isLive Whether what is known of the camera is of now.
   * @param {boolean} isOld Whether the frame says nothing about the age of those that come.
   * @param {CameraMetrics | undefined} metrics
   */
  refresh(header, isLive, isOld, metrics) {
    const { objects, fps, analysed, drops, seen } = this.#values;
    fps.textContent = header ? `${((this.#drawn.length * 1000) / this.#over).toFixed(1)} per s` : "–";
    // What was in the picture when the node or the camera went away says nothing about now.
    objects.textContent = header && isLive ? String(header.detections.objects.length) : "–";
    this.#refreshAge(isOld);
    analysed.textContent = metrics ? `${metrics.fps_out.toFixed(1)} of ${metrics.fps_in.toFixed(1)} per s` : "–";
    if (!header) {
      drops.textContent = seen.textContent = "–";
      return;
    }
    const { picture, detections: { seq, dropped }, lost } = header;
    const share = dropped / (seq + 1);
    const byNode = `${dropped} (${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %)`;
    drops.textContent = byNode + (lost ? `, ${lost} lost on the way` : "");
    seen.textContent = time(picture.received_us / 1000);
  }

  /** @param {boolean} unknown */
  #refreshAge(unknown) {
    const sorted = [...this.#ages].sort((a, b) => a - b);
    const age = sorted.at(sorted.length >> 1);
    const believable = age !== undefined && age > -500 && age < BELIEVABLE_AGE_MS;
    this.#values.age.textContent = unknown || !believable ? "–" : `${Math.max(0, Math.round(age))} ms`;
    this.#values.age.parentElement?.setAttribute("title", believable || age === undefined
      ? "From the camera to this screen. This browser's clock is corrected by " +
        `${Math.round(this.clock.offset)} ms to the viewer's (measured); the node's clock is assumed to agree with it.`
      : "The frame's capture time does not fit the viewer's clock: a recording, or clocks that disagree.");
  }
}
