// The chart of how long stays were, on a logarithmic axis, with the median and the 90th percentile.

/**
 * @import { ZoneStays } from "../../wire"
 * @import { Inner } from "./chart.js"
 * @typedef {{from: number, to: number, count: number, parts: number}} Bar Of stays between two lengths, seconds.
 * @typedef {{count: number, p50: number | null, p90: number | null, bars: Bar[]}} Bars
 */

import { svg } from "../common/dom.js";
import { duration } from "../common/format.js";
import { linear, roundTicks } from "./axes.js";
import { Chart } from "./chart.js";

const PARTS = 4; // bins in a bar: half an octave, because an eighth of one is too fine to look at
const LENGTHS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 604800];

/** @extends {Chart<Bars>} */
export class StayChart extends Chart {
  /** @param {string} title @param {string} noun What is counted: "stays" or "waits". */
  constructor(title, noun) {
    super(title, noun, [["stay", noun]]);
    this.noun = noun;
  }

  /**
   * Shows the API's answer.
   * @param {ZoneStays} stays
   */
  show({ bins, count, p50_s: p50, p90_s: p90 }) {
    /** @type {Bar[]} */
    const bars = [];
    for (const bin of bins) {
      const last = bars.at(-1);
      if (last && last.parts < PARTS) Object.assign(last, { to: bin.to_s, count: last.count + bin.count, parts: last.parts + 1 });
      else bars.push({ from: bin.from_s || bin.to_s / 2 ** (1 / 8), to: bin.to_s, count: bin.count, parts: 1 });
    }
    this.set({ count, p50, p90, bars });
  }

  /** @override */
  get length() {
    return this.data.bars.length;
  }

  /** @override @param {Inner} inner */
  draw(inner) {
    const { bars, p50, p90 } = this.data;
    if (!bars.length || p50 === null || p90 === null) return [this.empty("No stay ended in this time")];
    const ticks = roundTicks(Math.max(...bars.map((bar) => bar.count)), 4);
    const y = linear(0, ticks[ticks.length - 1], inner.y0, inner.y1);
    const x = this.#scaleX(inner);
    const rects = bars.map((bar) => svg("rect", {
      class: "stay", x: x(bar.from) + 1, width: Math.max(1, x(bar.to) - x(bar.from) - 2), y: y(bar.count), height: inner.y0 - y(bar.count),
    }));
    const near = Math.abs(x(p90) - x(p50)) < 70;
    return [...this.grid(ticks, y), ...this.#lengths(x, inner), ...rects,
      ...quantile("p50", p50, x(p50), inner, 0, near), ...quantile("p90", p90, x(p90), inner, 1, false)];
  }

  /** @param {(seconds: number) => number} x @param {Inner} inner */
  #lengths(x, { x1, y0 }) {
    const { bars } = this.data;
    const marks = [];
    let right = -Infinity;
    for (const seconds of LENGTHS.filter((one) => one >= bars[0].from && one <= bars[bars.length - 1].to)) {
      if (x(seconds) < right || x(seconds) > x1 - 10) continue;
      marks.push(svg("text", { class: "tick", x: x(seconds), y: y0 + 18, "text-anchor": "middle" }, short(seconds)));
      marks.push(svg("line", { class: "rule", x1: x(seconds), x2: x(seconds), y1: y0, y2: y0 + 4 }));
      right = x(seconds) + 48;
    }
    return marks;
  }

  /** @param {Inner} inner @returns {(seconds: number) => number} */
  #scaleX({ x0, x1 }) {
    const { bars } = this.data;
    const map = linear(Math.log(bars[0].from), Math.log(bars[bars.length - 1].to), x0, x1);
    return (seconds) => map(Math.log(seconds));
  }

  /** @override @param {number} x */
  nearest(x) {
    const { bars } = this.data;
    if (!bars.length) return -1;
    const at = this.#scaleX(this.inner);
    return bars.findIndex((bar, i) => x < at(bar.to) || i === bars.length - 1);
  }

  /** @override @param {number} index */
  middle(index) {
    const { from, to } = this.data.bars[index];
    return this.#scaleX(this.inner)(Math.sqrt(from * to));
  }

  /** @override */
  summary() {
    const { count, p50, p90 } = this.data;
    if (p50 === null || p90 === null) return "None in this time.";
    return `${count} ${this.noun}, half of them under ${duration(p50)}, nine in ten under ${duration(p90)}.`;
  }

  /** @override @param {number} index */
  says(index) {
    const { from, to, count } = this.data.bars[index];
    return `${count} ${this.noun} of ${duration(from)} to ${duration(to)}`;
  }

  /** @override */
  columns() {
    return ["From", "To", "Number"];
  }

  /** @override @param {number} index */
  row(index) {
    const { from, to, count } = this.data.bars[index];
    return [duration(from), duration(to), String(count)];
  }
}

/**
 * A vertical line at a quantile, with its name and value.
 * @param {string} name
 * @param {number} value
 * @param {number} x
 * @param {Inner} inner
 * @param {number} row Which of the lines of text.
 * @param {boolean} toLeft
 */
function quantile(name, value, x, { x1, y0, y1 }, row, toLeft) {
  const left = toLeft || x > x1 - 70;
  return [
    svg("line", { class: name, x1: x, x2: x, y1: y1 - 6, y2: y0 }),
    svg("text", {
      class: "tick strong halo", x: left ? x - 4 : x + 4, y: y1 + 2 + (toLeft ? 0 : row * 12), "text-anchor": left ? "end" : "start",
    }, `${name} ${duration(value)}`),
  ];
}

/** @param {number} seconds */
const short = (seconds) => duration(seconds).replace(/\.0(?=\D)/, "");
