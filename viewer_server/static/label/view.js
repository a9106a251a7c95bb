// The picture with its boxes: drawn and moved with mouse or finger, zoomed and panned. The keys are in keys.js.

/**
 * @import { Box, Point } from "../../page"
 * @import { Boxes } from "./boxes.js"
 */

import { colourOf } from "../common/colours.js";
import { svg } from "../common/dom.js";

const LEAST = 4; // CSS pixels: a shorter drag is a click
const ZOOMS = [1, 16];
/** @type {[0 | 2, 1 | 3][]} */
const CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]];
const PLACES = ["Top left", "Top right", "Bottom right", "Bottom left"];

/** @param {number} value */
const clamp = (value) => Math.min(1, Math.max(0, value));

/** @param {Point} a @param {Point} b @returns {Box} */
const between = ([ax, ay], [bx, by]) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];

/** @param {Box} box */
const areaOf = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

export class View {
  #root = svg("svg", { class: "overlay", role: "group", tabindex: 0 });
  /** @type {HTMLImageElement | null} */
  #image = null;
  /** @type {Boxes | null} */
  #boxes = null;
  #zoom = 1;
  /** @type {{from: Point, start: Box, corner: [0 | 2, 1 | 3] | "all", moved: boolean} | null} */
  #drag = null;
  /** @type {{from: Point, to: Point} | null} */
  #drawn = null;
  /** @type {Map<number, Point>} Where the fingers or the mouse are, in CSS pixels of the window. */
  #fingers = new Map();
  #panning = false;

  /**
   * @param {HTMLElement} scroller What scrolls.
   * @param {HTMLElement} frame In it; exactly as large as the picture.
   * @param {(label: string) => number} colourIndex
   * @param {{changed: () => void, drew: (box: Box) => void}} tell
   */
  constructor(scroller, frame, colourIndex, tell) {
    this.scroller = scroller;
    this.frame = frame;
    this.colourIndex = colourIndex;
    this.tell = tell;
    const root = this.#root;
    frame.append(root);
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) root.addEventListener(end, (event) => this.#up(event));
    scroller.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.render()).observe(scroller);
  }

  /** The size of the picture that is shown, pixels. @returns {[number, number]} */
  get size() {
    return [this.#image?.naturalWidth ?? 1, this.#image?.naturalHeight ?? 1];
  }

  /**
   * @param {HTMLImageElement | null} image Decoded; null for none.
   * @param {Boxes | null} boxes
   */
  show(image, boxes) {
    this.#image?.remove();
    [this.#image, this.#boxes, this.#drag, this.#drawn, this.#zoom] = [image, boxes, null, null, 1];
    if (image) this.frame.prepend(image);
    this.scroller.style.setProperty("--aspect", this.size.join(" / "));
    this.render();
  }

  focus() {
    this.#root.focus({ preventScroll: true });
  }

  /**
   * Zooms around a point of the window; without one, around the middle of what is shown.
   * @param {number} factor 0: shows the whole picture.
   * @param {Point} [around]
   */
  zoom(factor, around) {
    const { scroller } = this;
    const view = scroller.getBoundingClientRect();
    const [x, y] = around ?? [view.left + view.width / 2, view.top + view.height / 2];
    const [fx, fy] = this.#at(x, y);
    this.#zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], this.#zoom * factor));
    this.render();
    const now = this.#root.getBoundingClientRect();
    scroller.scrollBy(now.left + fx * now.width - x, now.top + fy * now.height - y);
  }

  render() {
    const [w, h] = this.size;
    const { clientWidth, clientHeight } = this.scroller;
    const scale = Math.min(clientWidth / w, clientHeight / h) * this.#zoom;
    const [width, height] = [Math.max(1, Math.floor(w * scale)), Math.max(1, Math.floor(h * scale))];
    this.frame.hidden = !this.#image;
    this.frame.style.width = `${width}px`;
    this.frame.style.height = `${height}px`;
    this.#root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const boxes = this.#boxes;
    const hadFocus = this.#root.contains(document.activeElement);
    const key = document.activeElement instanceof SVGElement ? document.activeElement.dataset.key : undefined;
    const list = boxes?.list ?? [];
    this.#root.setAttribute("aria-label", `Picture with ${list.length} boxes: drag to draw one`);
    const order = list.map((_, index) => index).sort((a, b) => areaOf(list[b].box) - areaOf(list[a].box)); // the smallest on top
    const figures = order.map((index) => this.#figure(index, width, height));
    const box = boxes?.box?.box;
    const handles = box ? CORNERS.map((corner, index) => this.#handle(box, corner, index, width, height)) : [];
    const drawn = this.#drawn && rectangle(between(this.#drawn.from, this.#drawn.to), width, height);
    this.#root.replaceChildren(...figures, ...handles, ...(drawn ? [svg("rect", { class: "halo", ...drawn }), svg("rect", { class: "ink drawing", ...drawn })] : []));
    if (!hadFocus || this.#root === document.activeElement) return;
    const again = key && this.#root.querySelector(`[data-key="${key}"]`);
    if (again instanceof SVGElement) again.focus({ preventScroll: true });
    else this.focus();
  }

  /** @param {number} index @param {number} width @param {number} height */
  #figure(index, width, height) {
    const boxes = /** @type {Boxes} */ (this.#boxes);
    const { label, box, score } = boxes.list[index];
    const isSelected = index === boxes.selected;
    const text = score === null ? label : `${label} ${Math.round(score * 100)} %`;
    const where = rectangle(box, width, height);
    const made = svg("g", {
      class: `shape zone${isSelected ? " selected" : ""}`, role: "button", tabindex: 0, "aria-pressed": isSelected,
      "aria-label": `${text}, box ${index + 1} of ${boxes.list.length}`, "data-key": `box-${index}`, "data-index": index,
    }, svg("rect", { class: "halo", ...where }), svg("rect", { class: "ink", ...where }),
    svg("text", { x: where.x + 3, y: Math.max(14, where.y - 5) }, text));
    if (!isSelected) made.style.setProperty("--ink", colourOf(this.colourIndex(label)));
    return made;
  }

  /** @param {Box} box @param {[0 | 2, 1 | 3]} corner @param {number} index @param {number} width @param {number} height */
  #handle(box, corner, index, width, height) {
    const [cx, cy] = [box[corner[0]] * width, box[corner[1]] * height];
    const grip = this.#boxes?.grip;
    const isMoved = (index === 0 && grip === "start") || (index === 2 && grip === "end");
    return svg("g", { class: "handle", "data-corner": index, "aria-hidden": "true" },
      svg("title", {}, PLACES[index]), svg("circle", { class: "grip", cx, cy, r: 14 }), svg("circle", { class: isMoved ? "dot close" : "dot", cx, cy, r: 5 }));
  }

  /** @param {number} x @param {number} y CSS pixels of the window. @returns {Point} */
  #at(x, y) {
    const box = this.#root.getBoundingClientRect();
    return [clamp((x - box.left) / box.width), clamp((y - box.top) / box.height)];
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const boxes = this.#boxes;
    if (!boxes || event.button > 1) return;
    event.preventDefault();
    this.#fingers.set(event.pointerId, [event.clientX, event.clientY]);
    this.#root.setPointerCapture(event.pointerId);
    if (this.#fingers.size > 1 || event.button === 1) { // two fingers, or the wheel's button: zoom and pan
      [this.#drag, this.#drawn, this.#panning] = [null, null, true];
      return this.render();
    }
    const from = this.#at(event.clientX, event.clientY);
    const part = event.target instanceof Element ? event.target.closest("[data-index], [data-corner]") : null;
    const { index, corner } = part instanceof SVGElement ? part.dataset : /** @type {DOMStringMap} */ ({});
    if (index !== undefined) boxes.select(Number(index));
    boxes.pause();
    if (part && boxes.box) this.#drag = { from, start: [...boxes.box.box], corner: corner === undefined ? "all" : CORNERS[Number(corner)], moved: false };
    else this.#drawn = { from, to: from };
    this.focus();
    this.tell.changed();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const before = this.#fingers.get(event.pointerId);
    if (!before) return;
    /** @type {Point} */
    const now = [event.clientX, event.clientY];
    if (this.#panning) return this.#pinch(event.pointerId, before, now);
    const at = this.#at(...now);
    if (this.#drawn) {
      this.#drawn.to = at;
      this.render();
    } else if (this.#drag) {
      const { from, start, corner } = this.#drag;
      this.#drag.moved ||= !this.#isClick(from, at);
      if (!this.#drag.moved) return;
      this.#boxes?.move(start, [at[0] - from[0], at[1] - from[1]], corner, "drag");
      this.tell.changed();
    }
  }

  /**
   * @param {number} id
   * @param {Point} before
   * @param {Point} now
   */
  #pinch(id, before, now) {
    const other = [...this.#fingers].find(([one]) => one !== id)?.[1];
    this.#fingers.set(id, now);
    if (other) {
      const [was, is] = [before, now].map(([x, y]) => Math.hypot(x - other[0], y - other[1]));
      this.zoom(is / Math.max(1, was), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    }
    const share = other ? 0.5 : 1;
    this.scroller.scrollBy((before[0] - now[0]) * share, (before[1] - now[1]) * share);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#fingers.delete(event.pointerId);
    const drawn = this.#drawn;
    [this.#drag, this.#drawn] = [null, null];
    this.#boxes?.pause();
    if (this.#fingers.size === 0) this.#panning = false;
    if (!drawn || event.type === "pointercancel") return this.render();
    if (this.#isClick(drawn.from, drawn.to)) {
      this.#boxes?.select(-1);
      this.tell.changed();
    } else this.tell.drew(between(drawn.from, drawn.to));
  }

  /** @param {Point} a @param {Point} b */
  #isClick(a, b) {
    const box = this.#root.getBoundingClientRect();
    return Math.max(Math.abs(a[0] - b[0]) * box.width, Math.abs(a[1] - b[1]) * box.height) < LEAST;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // scrolls what is zoomed
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), [event.clientX, event.clientY]);
  }
}

/** @param {Box} box @param {number} width @param {number} height */
function rectangle([x1, y1, x2, y2], width, height) {
  return { x: x1 * width, y: y1 * height, width: (x2 - x1) * width, height: (y2 - y1) * height };
}
