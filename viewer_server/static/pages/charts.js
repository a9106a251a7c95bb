// Three charts in SVG: a level over time, what went in and out, and how long stays were. Each can be read with a
// pointer, with the arrow keys, and as a table. Colours are Okabe and Ito's, and never the only difference.

import { element } from "../common/dom.js";
import { duration } from "../common/format.js";
import { linear, moment, roundTicks, svg, timeTicks, zoneName } from "./axes.js";

const HEIGHT = 190;
const BOX = { left: 44, right: 12, top: 14, bottom: 26 };
const PER_LABEL = 76; // pixels that a time's label needs

let patterns = 0;

class Chart {
  #width = 0;
  #cursor = null;

  /**
   * @param {string} title What it shows.
   * @param {string} unit Of the vertical axis.
   * @param {[string, string][]} legend Class and text of each mark.
   */
  constructor(title, unit, legend) {
    this.title = title;
    this.data = null;
    this.plot = svg("svg", { class: "plot", role: "img", tabindex: "0", height: HEIGHT });
    this.readout = element("p", { class: "readout", "aria-live": "polite" });
    this.table = element("div", { class: "table", tabindex: "0", role: "region", "aria-label": `${title}: table` });
    this.details = element("details", {}, element("summary", {}, "As a table"), this.table);
    const keys = legend.map(([kind, text]) => element("li", { class: kind }, key(kind), text));
    this.root = element(
      "figure", { class: "chart" },
      element("figcaption", {}, element("h3", {}, title), element("span", { class: "quiet" }, unit)),
      legend.length ? element("ul", { class: "legend" }, ...keys) : "",
      this.plot, this.readout, this.details,
    );
    this.details.addEventListener("toggle", () => this.#fillTable());
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerdown", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", () => this.#move(null));
    this.plot.addEventListener("blur", () => this.#move(null));
    this.plot.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(this.plot.parentElement);
  }

  /** Show other data. */
  set(data) {
    this.data = data;
    this.#draw();
    this.#fillTable();
  }

  get inner() {
    return { x0: BOX.left, x1: this.#width - BOX.right, y0: HEIGHT - BOX.bottom, y1: BOX.top };
  }

  #resize(width) {
    if (Math.round(width) === this.#width) return;
    this.#width = Math.round(width);
    this.#draw();
  }

  #draw() {
    if (!this.data || this.#width < 80) return;
    this.plot.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.plot.setAttribute("aria-label", `${this.title}. ${this.summary()}`);
    this.line = svg("line", { class: "cursor", y1: BOX.top, y2: HEIGHT - BOX.bottom, visibility: "hidden" });
    this.plot.replaceChildren(...this.draw(this.inner), this.line);
    this.#move(this.#cursor);
  }

  /** Horizontal lines with their values. */
  grid(ticks, y, text = String) {
    const { x0, x1 } = this.inner;
    return ticks.flatMap((value) => [
      svg("line", { class: value === 0 ? "axis" : "rule", x1: x0, x2: x1, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: x0 - 6, y: y(value) + 4, "text-anchor": "end" }, text(value)),
    ]);
  }

  /** Local times along the lower edge. */
  times(x, from, to) {
    const { x0, x1, y0 } = this.inner;
    return timeTicks(from, to, Math.max(2, (x1 - x0) / PER_LABEL)).flatMap(({ at, text, strong }) => [
      svg("line", { class: "rule", x1: x(at), x2: x(at), y1: y0, y2: y0 + 4 }),
      svg("text", { class: strong ? "tick strong" : "tick", x: Math.min(Math.max(x(at), x0 + 14), x1 - 16), y: y0 + 18, "text-anchor": "middle" }, text),
    ]);
  }

  /** What stands where there is nothing to draw. */
  empty(text) {
    const { x0, x1, y0, y1 } = this.inner;
    return svg("text", { class: "none", x: (x0 + x1) / 2, y: (y0 + y1) / 2, "text-anchor": "middle" }, text);
  }

  #point(event) {
    const box = this.plot.getBoundingClientRect();
    this.#move(this.nearest(((event.clientX - box.left) / box.width) * this.#width));
  }

  #step(event) {
    const last = this.length - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || last < 0) return;
    event.preventDefault();
    const from = this.#cursor ?? (by < 0 ? last + 1 : -1);
    this.#move(Math.min(last, Math.max(0, from + by)));
  }

  #move(index) {
    const shown = index !== null && index >= 0 && index < this.length;
    this.#cursor = shown ? index : null;
    this.line?.setAttribute("visibility", shown ? "visible" : "hidden");
    this.readout.textContent = shown ? this.says(index) : "";
    if (!shown || !this.line) return;
    this.line.setAttribute("x1", this.middle(index));
    this.line.setAttribute("x2", this.middle(index));
  }

  #fillTable() {
    if (!this.details.open || !this.data) return;
    const cells = (kind, texts) => texts.map((text) => element(kind, kind === "th" ? { scope: "col" } : {}, text));
    const rows = [];
    for (let index = 0; index < this.length; index += 1) rows.push(element("tr", {}, ...cells("td", this.row(index))));
    this.table.replaceChildren(element(
      "table", {},
      element("caption", { class: "unseen" }, this.title),
      element("thead", {}, element("tr", {}, ...cells("th", this.columns()))),
      element("tbody", {}, ...rows),
    ));
  }
}

class TimeChart extends Chart {
  get length() {
    return this.data?.start.length ?? 0;
  }

  scaleX({ x0, x1 }) {
    const { start, stepMs } = this.data;
    return linear(start[0], start.at(-1) + stepMs, x0, x1);
  }

  nearest(x) {
    const { start, stepMs } = this.data;
    const { x0, x1 } = this.inner;
    const at = linear(x0, x1, start[0], start.at(-1) + stepMs)(x);
    return Math.min(this.length - 1, Math.max(0, Math.floor((at - start[0]) / stepMs)));
  }

  middle(index) {
    return this.scaleX(this.inner)(this.data.start[index] + this.data.stepMs / 2);
  }

  when(index) {
    return moment(this.data.start[index], this.data.stepMs);
  }
}

/** How many are inside: the mean of each step as an area, its busiest moment as a line. */
export class LevelChart extends TimeChart {
  constructor(title) {
    super(title, "objects inside", [["mean", "mean"], ["peak", "busiest moment"]]);
  }

  draw(inner) {
    const { start, stepMs, mean, peak } = this.data;
    const known = peak.filter((value) => value !== null);
    const ticks = roundTicks(Math.max(1, ...known), 4, true);
    const x = this.scaleX(inner);
    const y = linear(0, ticks.at(-1), inner.y0, inner.y1);
    const marks = [...this.grid(ticks, y), ...this.times(x, start[0], start.at(-1) + stepMs)];
    if (!known.length) return [...marks, this.empty("Nothing is known of this time")];
    for (const [from, to] of runs(mean)) {
      const steps = (values) => range(from, to).map((i) => `${x(start[i])} ${y(values[i])} ${x(start[i] + stepMs)} ${y(values[i])}`).join(" ");
      const ends = `${x(start[to] + stepMs)} ${y(0)} ${x(start[from])} ${y(0)}`;
      marks.push(svg("polygon", { class: "mean", points: `${steps(mean)} ${ends}` }));
      marks.push(svg("polyline", { class: "peak", points: steps(peak) }));
    }
    return marks;
  }

  summary() {
    const known = this.data.peak.filter((value) => value !== null);
    return known.length ? `At the busiest moment ${number(Math.max(...known))} inside.` : "Nothing is known of this time.";
  }

  says(index) {
    const { mean, peak } = this.data;
    if (mean[index] === null) return `${this.when(index)}: not known`;
    return `${this.when(index)}: ${number(mean[index])} inside on average, ${number(peak[index])} at the busiest moment`;
  }

  columns = () => [`From (${zoneName()})`, "Mean inside", "Busiest moment"];

  row(index) {
    const { mean, peak } = this.data;
    return [this.when(index), mean[index] === null ? "–" : number(mean[index]), peak[index] === null ? "–" : number(peak[index])];
  }
}

/** What went in upwards, what went out downwards and hatched; the lost are a part of the latter. */
export class FlowChart extends TimeChart {
  constructor(title, unit, hasLost) {
    const lost = hasLost ? [["lost", "lost sight of, below"]] : [];
    super(title, unit, [["in", "in, above"], ["out", "out, below"], ...lost]);
    this.hatch = `hatch${(patterns += 1)}`;
  }

  draw(inner) {
    const { start, stepMs, entered, exited, lost } = this.data;
    const out = exited.map((value, i) => value + lost[i]);
    const ticks = roundTicks(Math.max(1, ...entered, ...out), 3, true);
    const most = ticks.at(-1);
    const x = this.scaleX(inner);
    const y = linear(-most, most, inner.y0, inner.y1);
    const both = [...ticks.slice(1).map((value) => -value), ...ticks];
    const pattern = svg("pattern", { id: this.hatch, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch-ground", width: 5, height: 5 }), svg("line", { class: "hatch-line", x1: 0, x2: 0, y1: 0, y2: 5 }));
    const marks = [svg("defs", {}, pattern), ...this.grid(both, y, (value) => String(Math.abs(value))), ...this.times(x, start[0], start.at(-1) + stepMs)];
    const width = x(start[0] + stepMs) - x(start[0]);
    const gap = width > 6 ? 1 : 0;
    start.forEach((at, i) => {
      const bar = (kind, from, to, more = {}) => from !== to && marks.push(svg("rect", {
        class: kind, x: x(at) + gap, width: Math.max(1, width - 2 * gap), y: Math.min(y(from), y(to)), height: Math.abs(y(to) - y(from)), ...more,
      }));
      bar("in", 0, entered[i]);
      bar("out", 0, -exited[i], { fill: `url(#${this.hatch})` });
      bar("lost", -exited[i], -exited[i] - lost[i]);
    });
    if (!entered.some(Boolean) && !out.some(Boolean)) marks.push(this.empty("Nothing went in or out"));
    return marks;
  }

  summary() {
    return `${sum(this.data.entered)} in, ${sum(this.data.exited)} out, ${sum(this.data.lost)} lost sight of.`;
  }

  says(index) {
    const { entered, exited, lost } = this.data;
    const more = lost[index] ? `, ${lost[index]} lost sight of` : "";
    return `${this.when(index)}: ${entered[index]} in, ${exited[index]} out${more}`;
  }

  columns = () => [`From (${zoneName()})`, "In", "Out", "Lost sight of"];

  row(index) {
    const { entered, exited, lost } = this.data;
    return [this.when(index), entered[index], exited[index], lost[index]].map(String);
  }
}

const WHOLE = 4; // an eighth of an octave is too fine to look at: half an octave
const LENGTHS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 604800];

/** How long stays were, on a logarithmic axis, with the median and the 90th percentile. */
export class StayChart extends Chart {
  constructor(title, noun) {
    super(title, noun, [["stay", noun]]);
    this.noun = noun;
  }

  get length() {
    return this.data?.bars.length ?? 0;
  }

  set({ bins, ...about }) {
    const bars = [];
    for (const bin of bins) {
      const last = bars.at(-1);
      if (last && last.parts < WHOLE) Object.assign(last, { to: bin.to_s, count: last.count + bin.count, parts: last.parts + 1 });
      else bars.push({ from: bin.from_s || bin.to_s / 2 ** (1 / 8), to: bin.to_s, count: bin.count, parts: 1 });
    }
    super.set({ ...about, bars });
  }

  draw(inner) {
    const { bars, p50_s: p50, p90_s: p90 } = this.data;
    if (!bars.length) return [this.empty("No stay ended in this time")];
    const ticks = roundTicks(Math.max(...bars.map((bar) => bar.count)), 4, true);
    const y = linear(0, ticks.at(-1), inner.y0, inner.y1);
    const x = this.#scaleX(inner);
    const marks = this.grid(ticks, y);
    let right = -Infinity;
    for (const seconds of LENGTHS.filter((one) => one >= bars[0].from && one <= bars.at(-1).to)) {
      if (x(seconds) < right || x(seconds) > inner.x1 - 10) continue;
      marks.push(svg("text", { class: "tick", x: x(seconds), y: inner.y0 + 18, "text-anchor": "middle" }, short(seconds)));
      marks.push(svg("line", { class: "rule", x1: x(seconds), x2: x(seconds), y1: inner.y0, y2: inner.y0 + 4 }));
      right = x(seconds) + 48;
    }
    for (const bar of bars) {
      marks.push(svg("rect", { class: "stay", x: x(bar.from) + 1, width: Math.max(1, x(bar.to) - x(bar.from) - 2), y: y(bar.count), height: inner.y0 - y(bar.count) }));
    }
    const near = Math.abs(x(p90) - x(p50)) < 70;
    marks.push(...quantile("p50", p50, x(p50), inner, 0, near), ...quantile("p90", p90, x(p90), inner, 1, false));
    return marks;
  }

  #scaleX({ x0, x1 }) {
    const { bars } = this.data;
    const map = linear(Math.log(bars[0].from), Math.log(bars.at(-1).to), x0, x1);
    return (seconds) => map(Math.log(seconds));
  }

  nearest(x) {
    const { bars } = this.data;
    const to = bars.length ? this.#scaleX(this.inner) : null;
    return bars.findIndex((bar, i) => x < to(bar.to) || i === bars.length - 1);
  }

  middle(index) {
    const { from, to } = this.data.bars[index];
    return this.#scaleX(this.inner)(Math.sqrt(from * to));
  }

  summary() {
    const { count, p50_s: p50, p90_s: p90 } = this.data;
    return count ? `${count} ${this.noun}, half of them under ${duration(p50)}, nine in ten under ${duration(p90)}.` : "None in this time.";
  }

  says(index) {
    const { from, to, count } = this.data.bars[index];
    return `${count} ${this.noun} of ${duration(from)} to ${duration(to)}`;
  }

  columns = () => ["From", "To", "Number"];

  row(index) {
    const { from, to, count } = this.data.bars[index];
    return [duration(from), duration(to), String(count)];
  }
}

function quantile(name, value, x, { x1, y0, y1 }, row, toLeft) {
  const left = toLeft || x > x1 - 70;
  return [
    svg("line", { class: name, x1: x, x2: x, y1: y1 - 6, y2: y0 }),
    svg("text", { class: "tick strong halo", x: left ? x - 4 : x + 4, y: y1 + 2 + (toLeft ? 0 : row * 12), "text-anchor": left ? "end" : "start" }, `${name} ${duration(value)}`),
  ];
}

/** A small picture of the mark beside its name. */
function key(kind) {
  const made = svg("svg", { width: 18, height: 12, "aria-hidden": "true" });
  if (kind === "peak") made.append(svg("line", { class: kind, x1: 0, x2: 18, y1: 6, y2: 6 }));
  else if (kind === "out") made.append(svg("rect", { class: "hatch-ground", width: 18, height: 12 }), ...[-6, 0, 6, 12].map((x) => svg("line", { class: "hatch-line", x1: x, x2: x + 12, y1: 12, y2: 0 })));
  else made.append(svg("rect", { class: kind, x: 1, y: 1, width: 16, height: 10 }));
  return made;
}

/** Pairs of first and last index of what is not null. */
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (i > 0 && values[i - 1] !== null) found.at(-1)[1] = i;
    else found.push([i, i]);
  });
  return found;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const sum = (values) => values.reduce((a, b) => a + b, 0);
export const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0));
const short = (seconds) => duration(seconds).replace(/\.0(?=\D)/, "");
