// Charts over time: how many are inside, and what went in and out. Colours are never the only difference.

/**
 * @import { Inner } from "./chart.js"
 * @import { Steps } from "./pauses.js"
 * @typedef {Steps & {mean: (number | null)[], peak: (number | null)[]}} Level
 * @typedef {Steps & {entered: number[], exited: number[], lost: number[]}} Flow
 */

import { svg } from "../common/dom.js";
import { linear, roundTicks, zoneName } from "./axes.js";
import { TimeChart } from "./chart.js";
import { isOff, pauseAt, PauseMarks, pauseSummary } from "./pauses.js";

let patterns = 0;
/** @type {[string, string][]} */
const PAUSES = [["paused", "not counted"], ["problem", "camera's picture not right"]]; // shown where there are any

/**
 * How many are inside: the mean of each step as an area, its busiest moment as a line.
 * @extends {TimeChart<Level>}
 */
export class LevelChart extends TimeChart {
  #pauses = new PauseMarks();

  /** @param {string} title */
  constructor(title) {
    super(title, "objects inside", [["mean", "mean"], ["peak", "busiest moment"], ...PAUSES]);
  }

  /** @override @param {Inner} inner */
  draw(inner) {
    const { start, stepMs, mean, peak } = this.data;
    const known = knownOf(peak);
    const ticks = roundTicks(Math.max(1, ...known), 4);
    const x = this.scaleX(inner);
    const y = linear(0, ticks[ticks.length - 1], inner.y0, inner.y1);
    /** @type {SVGElement[]} */
    const marks = [...this.grid(ticks, y), ...this.times(x), ...this.#pauses.draw(this.data, x, inner, this.root)];
    if (!known.length) return [...marks, this.empty(this.data.paused.length ? "Nothing was counted" : "Nothing is known of this time")];
    for (const [from, to] of runs(mean)) {
      /** @param {(number | null)[]} values */
      const steps = (values) => range(from, to)
        .map((i) => [x(start[i]), x(start[i] + stepMs)].map((at) => `${at} ${y(values[i] ?? 0)}`).join(" ")).join(" ");
      const ends = `${x(start[to] + stepMs)} ${y(0)} ${x(start[from])} ${y(0)}`;
      marks.push(svg("polygon", { class: "mean", points: `${steps(mean)} ${ends}` }));
      marks.push(svg("polyline", { class: "peak", points: steps(peak) }));
    }
    return marks;
  }

  /** @override */
  summary() {
    const known = knownOf(this.data.peak);
    const busiest = known.length ? `At the busiest moment ${number(Math.max(...known))} inside.` : "Nothing is known of this time.";
    return busiest + pauseSummary(this.data);
  }

  /** @override @param {number} index */
  says(index) {
    const [mean, peak] = [this.data.mean[index], this.data.peak[index]];
    const paused = pauseAt(this.data, index);
    if (mean === null) return `${this.when(index)}: ${paused || "not known"}`;
    return `${this.when(index)}: ${number(mean)} inside on average, ${number(peak ?? 0)} at the busiest moment${paused && `; ${paused}`}`;
  }

  /** @override */
  columns() {
    return [`From (${zoneName()})`, "Mean inside", "Busiest moment", "Not counted"];
  }

  /** @override @param {number} index */
  row(index) {
    const cells = [this.data.mean[index], this.data.peak[index]];
    return [this.when(index), ...cells.map((value) => (value === null ? "–" : number(value))), pauseAt(this.data, index)];
  }
}

/**
 * Bars upwards for what went in, hatched bars downwards for what went out; below those, objects lost inside.
 * @extends {TimeChart<Flow>}
 */
export class FlowChart extends TimeChart {
  #pauses = new PauseMarks();
  #hatch = `hatch${(patterns += 1)}`;

  /** @param {string} title @param {string} unit @param {boolean} hasLost */
  constructor(title, unit, hasLost) {
    /** @type {[string, string][]} */
    const lost = hasLost ? [["lost", "lost sight of, below"]] : [];
    super(title, unit, [["in", "in, above"], ["out", "out, below"], ...lost, ...PAUSES]);
  }

  /** @override @param {Inner} inner */
  draw(inner) {
    const { start, stepMs, entered, exited, lost } = this.data;
    const out = exited.map((value, i) => value + lost[i]);
    const ticks = roundTicks(Math.max(1, ...entered, ...out), 3);
    const most = ticks[ticks.length - 1];
    const x = this.scaleX(inner);
    const y = linear(-most, most, inner.y0, inner.y1);
    const both = [...ticks.slice(1).map((value) => -value), ...ticks];
    /** @type {SVGElement[]} */
    const marks = [svg("defs", {}, this.#pattern()), ...this.grid(both, y, (value) => String(Math.abs(value))), ...this.times(x),
      ...this.#pauses.draw(this.data, x, inner, this.root)];
    const width = x(start[0] + stepMs) - x(start[0]);
    const gap = width > 6 ? 1 : 0;
    start.forEach((at, i) => {
      /** @param {string} kind @param {number} from @param {number} to @param {Record<string, string>} more */
      const bar = (kind, from, to, more = {}) => from !== to && marks.push(svg("rect", {
        class: kind, x: x(at) + gap, width: Math.max(1, width - 2 * gap), y: Math.min(y(from), y(to)), height: Math.abs(y(to) - y(from)), ...more,
      }));
      bar("in", 0, entered[i]);
      bar("out", 0, -exited[i], { fill: `url(#${this.#hatch})` });
      bar("lost", -exited[i], -exited[i] - lost[i]);
    });
    if (!entered.some(Boolean) && !out.some(Boolean)) marks.push(this.empty(this.#isAllPaused() ? "Nothing was counted" : "Nothing went in or out"));
    return marks;
  }

  /** Whether no step was counted in as a whole. */
  #isAllPaused() {
    const { start, stepMs, paused } = this.data;
    return start.every((at) => paused.some(({ from, to }) => from < at + stepMs && to > at));
  }

  #pattern() {
    const about = { id: this.#hatch, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
    return svg("pattern", about, svg("rect", { class: "hatch-ground", width: 5, height: 5 }),
      svg("line", { class: "hatch-line", x1: 0, x2: 0, y1: 0, y2: 5 }));
  }

  /** @override */
  summary() {
    return `${sum(this.data.entered)} in, ${sum(this.data.exited)} out, ${sum(this.data.lost)} lost sight of.${pauseSummary(this.data)}`;
  }

  /** @override @param {number} index */
  says(index) {
    const { entered, exited, lost } = this.data;
    const more = lost[index] ? `, ${lost[index]} lost sight of` : "";
    const paused = pauseAt(this.data, index);
    if (isOff(this.data, index) && !entered[index] && !exited[index] && !lost[index]) return `${this.when(index)}: ${paused}`;
    return `${this.when(index)}: ${entered[index]} in, ${exited[index]} out${more}${paused && `; ${paused}`}`;
  }

  /** @override */
  columns() {
    return [`From (${zoneName()})`, "In", "Out", "Lost sight of", "Not counted"];
  }

  /** @override @param {number} index */
  row(index) {
    const { entered, exited, lost } = this.data;
    const zero = isOff(this.data, index) ? "–" : "0";
    return [this.when(index), ...[entered[index], exited[index], lost[index]].map((n) => (n ? String(n) : zero)), pauseAt(this.data, index)];
  }
}

/**
 * @param {(number | null)[]} values
 * @returns {number[]}
 */
const knownOf = (values) => values.filter((value) => value !== null);

/**
 * Pairs of first and last index of values that are not null.
 * @param {(number | null)[]} values
 */
function runs(values) {
  /** @type {[number, number][]} */
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (i > 0 && values[i - 1] !== null) found[found.length - 1][1] = i;
    else found.push([i, i]);
  });
  return found;
}

/** @param {number} from @param {number} to The last one. */
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
/** @param {number[]} values */
export const sum = (values) => values.reduce((a, b) => a + b, 0);
/** @param {number} value */
const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0));
