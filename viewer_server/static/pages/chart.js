// What all charts have: SVG that can be read with a pointer, with the arrow keys, and as a table.

/** @typedef {{x0: number, x1: number, y0: number, y1: number}} Inner Where data is drawn; y0 is the lower edge. */

import { element, svg } from "../common/dom.js";
import { linear, moment, timeTicks } from "./axes.js";

const HEIGHT = 190;
const BOX = { left: 44, right: 12, top: 14, bottom: 26 };
const PER_LABEL = 76; // pixels that a time's label needs
/** @type {Record<string, number>} */
const KEYS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

/**
 * A chart of marks that stand side by side. Subclasses say how data is drawn and described.
 * @template T
 */
export class Chart {
  #width = 0;
  /** @type {number | null} */
  #shown = null; // index of the mark that is read out
  /** @type {T | null} */
  #data = null;
  #cursor = svg("line", { class: "cursor", y1: BOX.top, y2: HEIGHT - BOX.bottom, visibility: "hidden" });
  #plot = svg("svg", { class: "plot", role: "img", tabindex: "0", height: HEIGHT });
  #readout = element("p", { class: "readout", "aria-live": "polite" });
  #table;
  #details;

  /**
   * @param {string} title What it shows.
   * @param {string} unit Of the vertical axis.
   * @param {[string, string][]} legend Class and text of each kind of mark.
   */
  constructor(title, unit, legend) {
    this.title = title;
    this.#plot.setAttribute("aria-label", title); // until there is data to sum up
    this.#table = element("div", { class: "table", tabindex: "0", role: "region", "aria-label": `${title}: table` });
    this.#details = element("details", {}, element("summary", {}, "As a table"), this.#table);
    const keys = legend.map(([kind, text]) => element("li", { class: kind }, keyOf(kind), text));
    this.root = element(
      "figure", { class: "chart" },
      element("figcaption", {}, element("h3", {}, title), element("span", { class: "quiet" }, unit)),
      legend.length ? element("ul", { class: "legend" }, ...keys) : "",
      this.#plot, this.#readout, this.#details,
    );
    this.#details.addEventListener("toggle", () => this.#fillTable());
    this.#plot.addEventListener("pointermove", (event) => this.#point(event));
    this.#plot.addEventListener("pointerdown", (event) => this.#point(event));
    this.#plot.addEventListener("pointerleave", () => this.#show(null));
    this.#plot.addEventListener("blur", () => this.#show(null));
    this.#plot.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(this.root);
  }

  /**
   * Shows other data.
   * @param {T} data
   */
  set(data) {
    this.#data = data;
    this.#draw();
    this.#fillTable();
  }

  /** @returns {T} */
  get data() {
    if (this.#data === null) throw new Error("a chart needs data before it is drawn");
    return this.#data;
  }

  /** @returns {number} How many marks there are. */
  get length() {
    throw new Error("each chart has its own");
  }

  /** @param {Inner} _inner @returns {SVGElement[]} */
  draw(_inner) {
    throw new Error("each chart has its own");
  }

  /** @param {number} _x Pixels. @returns {number} The mark there. */
  nearest(_x) {
    throw new Error("each chart has its own");
  }

  /** @param {number} _index @returns {number} Where a mark's middle is, pixels. */
  middle(_index) {
    throw new Error("each chart has its own");
  }

  /** @returns {string} All of it in a sentence. */
  summary() {
    throw new Error("each chart has its own");
  }

  /** @param {number} _index @returns {string} A mark in words. */
  says(_index) {
    throw new Error("each chart has its own");
  }

  /** @returns {string[]} The table's head. */
  columns() {
    throw new Error("each chart has its own");
  }

  /** @param {number} _index @returns {string[]} A mark as a row of the table. */
  row(_index) {
    throw new Error("each chart has its own");
  }

  /** @returns {Inner} */
  get inner() {
    return { x0: BOX.left, x1: this.#width - BOX.right, y0: HEIGHT - BOX.bottom, y1: BOX.top };
  }

  /**
   * Horizontal lines with their values.
   * @param {number[]} ticks
   * @param {(value: number) => number} y
   * @param {(value: number) => string} text
   */
  grid(ticks, y, text = String) {
    const { x0, x1 } = this.inner;
    return ticks.flatMap((value) => [
      svg("line", { class: value === 0 ? "axis" : "rule", x1: x0, x2: x1, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: x0 - 6, y: y(value) + 4, "text-anchor": "end" }, text(value)),
    ]);
  }

  /**
   * A text in the middle, where there is nothing to draw.
   * @param {string} text
   */
  empty(text) {
    const { x0, x1, y0, y1 } = this.inner;
    return svg("text", { class: "none", x: (x0 + x1) / 2, y: (y0 + y1) / 2, "text-anchor": "middle" }, text);
  }

  /** @param {number} width */
  #resize(width) {
    if (Math.round(width) === this.#width) return;
    this.#width = Math.round(width);
    this.#draw();
  }

  #draw() {
    if (this.#data === null || this.#width < 80) return;
    this.#plot.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#plot.setAttribute("aria-label", `${this.title}. ${this.summary()}`);
    this.#plot.replaceChildren(...this.draw(this.inner), this.#cursor);
    this.#show(this.#shown);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    if (this.#data === null) return;
    const box = this.#plot.getBoundingClientRect();
    this.#show(this.nearest(((event.clientX - box.left) / box.width) * this.#width));
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const by = KEYS[event.key];
    if (by === undefined || this.#data === null || !this.length) return;
    event.preventDefault();
    const from = this.#shown ?? (by < 0 ? this.length : -1);
    this.#show(Math.min(this.length - 1, Math.max(0, from + by)));
  }

  /** @param {number | null} index Of the mark to read out. */
  #show(index) {
    this.#shown = index !== null && this.#data !== null && index >= 0 && index < this.length ? index : null;
    this.#cursor.setAttribute("visibility", this.#shown === null ? "hidden" : "visible");
    this.#readout.textContent = this.#shown === null ? "" : this.says(this.#shown);
    if (this.#shown === null) return;
    this.#cursor.setAttribute("x1", String(this.middle(this.#shown)));
    this.#cursor.setAttribute("x2", String(this.middle(this.#shown)));
  }

  #fillTable() {
    if (!this.#details.open || this.#data === null) return;
    const rows = Array.from({ length: this.length }, (_, index) =>
      element("tr", {}, ...this.row(index).map((text) => element("td", {}, text))));
    this.#table.replaceChildren(element(
      "table", {},
      element("caption", { class: "unseen" }, this.title),
      element("thead", {}, element("tr", {}, ...this.columns().map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows),
    ));
  }
}

/**
 * A chart of steps in time.
 * @template {{start: number[], stepMs: number}} T
 * @extends {Chart<T>}
 */
export class TimeChart extends Chart {
  /** @override */
  get length() {
    return this.data.start.length;
  }

  get end() {
    const { start, stepMs } = this.data;
    return start[start.length - 1] + stepMs;
  }

  /** @param {Inner} inner */
  scaleX({ x0, x1 }) {
    return linear(this.data.start[0], this.end, x0, x1);
  }

  /** @override @param {number} x */
  nearest(x) {
    const { start, stepMs } = this.data;
    const { x0, x1 } = this.inner;
    const at = linear(x0, x1, start[0], this.end)(x);
    return Math.min(this.length - 1, Math.max(0, Math.floor((at - start[0]) / stepMs)));
  }

  /** @override @param {number} index */
  middle(index) {
    return this.scaleX(this.inner)(this.data.start[index] + this.data.stepMs / 2);
  }

  /** @param {number} index */
  when(index) {
    return moment(this.data.start[index], this.data.stepMs);
  }

  /**
   * Local times along the lower edge.
   * @param {(ms: number) => number} x
   */
  times(x) {
    const { x0, x1, y0 } = this.inner;
    return timeTicks(this.data.start[0], this.end, Math.max(2, (x1 - x0) / PER_LABEL)).flatMap(({ at, text, strong }) => [
      svg("line", { class: "rule", x1: x(at), x2: x(at), y1: y0, y2: y0 + 4 }),
      svg("text", {
        class: strong ? "tick strong" : "tick", x: Math.min(Math.max(x(at), x0 + 14), x1 - 16), y: y0 + 18, "text-anchor": "middle",
      }, text),
    ]);
  }
}

/**
 * A small picture of the mark beside its name.
 * @param {string} kind
 */
function keyOf(kind) {
  const made = svg("svg", { width: 18, height: 12, "aria-hidden": "true" });
  if (kind === "peak") made.append(svg("line", { class: kind, x1: 0, x2: 18, y1: 6, y2: 6 }));
  else if (kind === "out") {
    const lines = [-6, 0, 6, 12].map((x) => svg("line", { class: "hatch-line", x1: x, x2: x + 12, y1: 12, y2: 0 }));
    made.append(svg("rect", { class: "hatch-ground", width: 18, height: 12 }), ...lines);
  } else made.append(svg("rect", { class: kind, x: 1, y: 1, width: 16, height: 10 }));
  return made;
}
