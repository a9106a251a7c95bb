// Zones, lines and masks over the picture, drawn and moved with mouse, finger or keyboard.

/**
 * @import { Kind, Point } from "../../page"
 * @import { Draft } from "./draft.js"
 * @import { Scale } from "./figures.js"
 */

import { svg } from "../common/dom.js";
import { isolated, shortened } from "../common/names.js";
import { clamp, Drawing } from "./drawing.js";
import { figureOf, handlesOf, hatching, middleOf, partAt } from "./figures.js";
import { nameOf } from "./words.js";

const STEP = 0.005; // of the picture, for each press of an arrow key
const LEAP = 0.05; // with Shift
const NEAR = 14; // CSS pixels
const MOST = 24; // characters of a name, so that what stands behind it has room
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Overlay {
  #root = svg("svg", { class: "overlay" });
  /** @type {{from: Point, start: Point[], corner: number | undefined} | null} */
  #drag = null;
  #drawing = new Drawing();
  /** @type {SVGTextElement[]} */
  #labels = [];
  /** @type {string[]} */
  #texts = [];
  #observer = new ResizeObserver(() => this.render());

  /**
   * @param {HTMLElement} frame Exactly as large as the picture.
   * @param {Draft} draft
   * @param {() => void} changed Called when something was drawn, moved or selected.
   */
  constructor(frame, draft, changed) {
    this.frame = frame;
    this.draft = draft;
    this.changed = changed;
    this.#root.addEventListener("pointerdown", (event) => this.#down(event));
    this.#root.addEventListener("pointermove", (event) => this.#move(event));
    this.#root.addEventListener("pointerup", () => this.#up());
    this.#root.addEventListener("pointercancel", () => this.#up());
    this.#root.addEventListener("dblclick", () => this.finish());
    this.#root.addEventListener("keydown", (event) => this.#key(event));
    frame.append(this.#root);
    this.#observer.observe(frame);
  }

  close() {
    this.#observer.disconnect();
    this.#root.remove();
  }

  /**
   * Begins to draw one; null stops drawing.
   * @param {Kind | null} tool
   */
  draw(tool) {
    this.#drawing.begin(tool);
    this.draft.selected = -1;
    this.render();
    if (tool) this.#root.focus({ preventScroll: true });
  }

  /** What is drawn; null for nothing. */
  get tool() {
    return this.#drawing.tool;
  }

  /** How many corners are drawn. */
  get corners() {
    return this.#drawing.corners.length;
  }

  /** Whether the corners that are drawn make an area already. */
  get canFinish() {
    return this.#drawing.canFinish;
  }

  finish() {
    if (this.canFinish) this.#complete();
  }

  /** @param {number} index */
  select(index) {
    if (this.draft.selected === index) return;
    this.draft.selected = index;
    this.#changed();
  }

  /** Removes the last corner of the shape that is being drawn. */
  takeBack() {
    this.#drawing.corners.pop();
    this.#changed();
  }

  /**
   * Shows a text after the name of each shape.
   * @param {string[]} texts
   */
  label(texts) {
    this.#texts = texts;
    this.#labels.forEach((label, index) => {
      const shape = this.draft.shapes[index];
      const text = `${shape ? isolated(shortened(nameOf(shape), MOST)) : ""}  ${this.#texts[index] ?? ""}`.trim();
      if (label.textContent !== text) label.textContent = text;
    });
  }

  render() {
    const focused = this.#root.contains(document.activeElement) ? partAt(document.activeElement).key : undefined;
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (!width || !height) return;
    this.#describe(width, height);
    /** @type {Scale} */
    const at = ([x, y]) => [x * width, y * height];
    const figures = this.draft.shapes.map((shape, index) =>
      figureOf(shape, index, at, width, { isSelected: index === this.draft.selected, isReachable: !this.tool }));
    this.#labels = figures.map(({ label }) => label);
    const handles = this.draft.shape && !this.tool ? handlesOf(this.draft.shape, at) : [];
    this.#root.replaceChildren(hatching(), ...figures.map(({ body }) => body), ...handles, ...this.#drawing.figures(at));
    this.label(this.#texts);
    if (focused) this.#focus(`[data-key="${focused}"]`);
  }

  #changed() {
    this.render();
    this.changed();
  }

  /** @param {string} selector */
  #focus(selector) {
    const found = this.#root.querySelector(selector);
    if (found instanceof SVGElement) found.focus({ preventScroll: true });
  }

  /** Makes the drawing a shape of the draft, and selects it. */
  #complete() {
    const { tool, corners } = this.#drawing;
    if (!tool) return;
    this.draft.add(tool, corners);
    this.draw(null);
    this.select(this.draft.shapes.length - 1);
    this.#focus(".handle:last-of-type");
  }

  /** @param {number} width @param {number} height */
  #describe(width, height) {
    const about = this.tool
      ? `Drawing a ${this.tool}: arrow keys move the cross, Enter sets a point, Backspace takes it back, Escape ends`
      : "Zones, lines and masks on the picture";
    this.#root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#root.dataset.tool = this.tool ?? "";
    this.#root.setAttribute("role", this.tool ? "application" : "group");
    this.#root.setAttribute("aria-label", about);
    if (this.tool) this.#root.setAttribute("tabindex", "0");
    else this.#root.removeAttribute("tabindex");
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  #at(event) {
    const box = this.#root.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
  }

  /** @param {Point} a @param {Point} b */
  #isNear(a, b) {
    return Math.hypot((a[0] - b[0]) * this.frame.clientWidth, (a[1] - b[1]) * this.frame.clientHeight) < NEAR;
  }

  /** @param {Point} point */
  #place(point) {
    if (this.#drawing.add(point, (a, b) => this.#isNear(a, b))) this.#complete();
    else this.#changed();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button) return;
    const from = this.#at(event);
    this.#drawing.follow(from);
    if (this.tool) {
      event.preventDefault();
      return this.#place(from);
    }
    const { shape, corner, middle } = partAt(event.target);
    if (shape !== undefined) this.select(shape);
    else if (corner === undefined && middle === undefined) return this.select(-1);
    this.draft.pause();
    if (middle !== undefined) this.#split(middle);
    if (!this.draft.shape) return;
    const moved = corner ?? (middle === undefined ? undefined : middle + 1);
    this.#drag = { from, start: structuredClone(this.draft.shape.points), corner: moved };
    this.#root.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const now = this.#at(event);
    if (this.tool) {
      this.#drawing.follow(now);
      this.render();
    } else if (this.#drag) {
      const { from, start, corner } = this.#drag;
      this.#put(start, corner, [now[0] - from[0], now[1] - from[1]], "drag");
    }
  }

  #up() {
    if (this.#drag) this.draft.pause();
    this.#drag = null;
  }

  /**
   * Moves a corner, or the whole shape, by a fraction of the picture, and keeps it within the picture.
   * @param {Point[]} start Where the shape's points were.
   * @param {number | undefined} corner
   * @param {Point} by
   * @param {string} key As for `Draft.edit`.
   */
  #put(start, corner, [dx, dy], key) {
    /** @param {number} by @param {0 | 1} axis */
    const within = (by, axis) => {
      const range = start.map((point) => point[axis]);
      return Math.max(Math.min(0, -Math.min(...range)), Math.min(Math.max(0, 1 - Math.max(...range)), by));
    };
    const [allX, allY] = [within(dx, 0), within(dy, 1)];
    this.draft.editShape((shape) => {
      shape.points = start.map(([x, y], index) => {
        if (corner === undefined) return [x + allX, y + allY];
        return index === corner ? [clamp(x + dx), clamp(y + dy)] : [x, y];
      });
    }, key);
    this.#changed();
  }

  /** @param {number} index Of the corner after which another one is added. */
  #split(index) {
    this.draft.editShape(({ points }) => {
      points.splice(index + 1, 0, middleOf(points[index], points[(index + 1) % points.length]));
    }, "drag");
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? LEAP : STEP;
    const arrows = ARROWS[event.key];
    /** @type {Point | undefined} */
    const way = arrows && [arrows[0] * step, arrows[1] * step];
    if (!(this.tool ? this.#keyWhileDrawing(event.key, way) : this.#keyOnPart(event.key, way))) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * @param {string} key
   * @param {Point | undefined} way
   * @returns {boolean} Whether the key means something here.
   */
  #keyWhileDrawing(key, way) {
    if (way) {
      this.#drawing.moveCross(way);
      this.render();
    } else if (key === "Enter" || key === " ") this.#place(this.#drawing.cross);
    else if (key === "Backspace") this.takeBack();
    else return false;
    return true;
  }

  /**
   * @param {string} pressed
   * @param {Point | undefined} way
   * @returns {boolean} Whether the key means something here.
   */
  #keyOnPart(pressed, way) {
    const { shape, corner, middle, key } = partAt(document.activeElement);
    const isEnter = pressed === "Enter" || pressed === " ";
    const isDelete = pressed === "Delete" || pressed === "Backspace";
    if (way && (shape !== undefined || corner !== undefined)) {
      if (shape !== undefined) this.select(shape);
      if (this.draft.shape) this.#put(structuredClone(this.draft.shape.points), corner, way, `keys-${key}`);
    } else if (isEnter && shape !== undefined) this.select(shape);
    else if (isEnter && middle !== undefined) this.#split(middle);
    else if (isDelete && corner !== undefined) this.#removeCorner(corner);
    else if (isDelete && shape !== undefined) this.#removeShape(shape);
    else return false;
    return true;
  }

  /** @param {number} index */
  #removeCorner(index) {
    const { shape } = this.draft;
    if (!shape || shape.kind === "line" || shape.points.length <= 3) return;
    this.draft.editShape(({ points }) => points.splice(index, 1));
    this.#changed();
  }

  /** @param {number} index */
  #removeShape(index) {
    this.draft.remove(index);
    this.#changed();
  }
}
