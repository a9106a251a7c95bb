// Times in which nothing was counted, and in which the camera's picture could not be trusted, over a chart.

/**
 * @import { ZoneSeries } from "../../wire"
 * @import { Inner } from "./chart.js"
 * @typedef {{from: number, to: number, reason: string}} Span Milliseconds since 1970.
 * @typedef {{start: number[], stepMs: number, paused: Span[], problems: Span[]}} Steps
 */

import { svg } from "../common/dom.js";
import { duration } from "../common/format.js";
import { short } from "../health/short.js";

const LABEL_PX = 6.2; // a letter's width, roughly
const NARROW_PX = 2; // narrower bands are widened, so that they are seen
const PROBLEM_PX = 4;

let made = 0;

/**
 * The spans of a series as charts take them.
 * @param {ZoneSeries} series
 */
export function spansOf({ pauses, problems }) {
  /** @param {ZoneSeries["pauses"]} spans */
  const of = (spans) => spans.map(({ from_us: from, to_us: to, reason }) => ({ from: from / 1000, to: to / 1000, reason }));
  return { paused: of(pauses), problems: of(problems) };
}

export class PauseMarks {
  #pattern = `paused${(made += 1)}`;

  /**
   * Bands where nothing was counted, and a bar along the upper edge where the picture could not be trusted.
   * @param {Steps} data
   * @param {(ms: number) => number} x
   * @param {Inner} inner
   * @param {HTMLElement} root The chart, whose legend then has them.
   */
  draw({ paused, problems }, x, { x0, x1, y0, y1 }, root) {
    root.toggleAttribute("data-paused", paused.length > 0);
    root.toggleAttribute("data-problems", problems.length > 0);
    /** @type {SVGElement[]} */
    const marks = paused.length ? [svg("defs", {}, this.#hatch())] : [];
    for (const { from, to, reason } of paused) {
      const [left, width] = place(x(from), x(to), x0, x1);
      marks.push(svg("rect", { class: "paused", x: left, y: y1, width, height: y0 - y1, fill: `url(#${this.#pattern})` }));
      const text = short(reason);
      if (width > text.length * LABEL_PX + 8) {
        marks.push(svg("text", { class: "halo", x: left + width / 2, y: y1 + 22, "text-anchor": "middle" }, text));
      }
    }
    for (const { from, to, reason } of problems) {
      const [left, width] = place(x(from), x(to), x0, x1);
      marks.push(svg("rect", { class: "problem", x: left, y: y1 - PROBLEM_PX - 1, width, height: PROBLEM_PX }, svg("title", {}, short(reason))));
    }
    return marks;
  }

  #hatch() {
    const about = { id: this.#pattern, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(-45)" };
    return svg("pattern", about, svg("line", { class: "paused-line", x1: 0, x2: 0, y1: 0, y2: 7 }));
  }
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number} x0
 * @param {number} x1
 */
function place(from, to, x0, x1) {
  const left = Math.min(Math.max(from, x0), x1 - NARROW_PX);
  return [left, Math.max(NARROW_PX, Math.min(to, x1) - left)];
}

/**
 * What was not counted in a step, in words; empty where all was.
 * @param {Steps} data
 * @param {number} index
 */
export function pauseAt({ start, stepMs, paused, problems }, index) {
  const [from, to] = [start[index], start[index] + stepMs];
  /** @param {Span[]} spans */
  const inside = (spans) => spans.filter((span) => span.from < to && span.to > from);
  const found = inside(paused);
  const parts = found.length ? [`not counted for ${duration(length(found, from, to) / 1000)}: ${reasons(found)}`] : [];
  const wrong = inside(problems).filter(({ reason }) => !found.some((span) => span.reason === reason));
  if (wrong.length) parts.push(`camera ${reasons(wrong)}`);
  return parts.join("; ");
}

/**
 * Whether nothing at all was counted in a step, so that its zeros mean nothing.
 * @param {Steps} data
 * @param {number} index
 */
export function isOff({ start, stepMs, paused }, index) {
  return length(paused, start[index], start[index] + stepMs) >= stepMs;
}

/**
 * All of it in a sentence; empty where all was counted.
 * @param {Steps} data
 */
export function pauseSummary({ start, stepMs, paused }) {
  if (!paused.length) return "";
  return ` Not counted for ${duration(length(paused, start[0], start[start.length - 1] + stepMs) / 1000)}: ${reasons(paused)}.`;
}

/** @param {Span[]} spans Earliest first. @param {number} from @param {number} to */
function length(spans, from, to) {
  let [sum, until] = [0, from];
  for (const span of spans) {
    sum += Math.max(0, Math.min(span.to, to) - Math.max(span.from, until));
    until = Math.max(until, span.to);
  }
  return sum;
}

/** @param {Span[]} spans */
const reasons = (spans) => [...new Set(spans.map(({ reason }) => short(reason)))].join(", ");
