// Zones and lines over the picture, to be drawn and moved with mouse, finger or keyboard.

import { svg } from "../common/dom.js";

const STEP = 0.005; // of the picture, for an arrow key
const LEAP = 0.05; // with Shift
const NEAR = 14; // CSS pixels
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const clamp = (value) => Math.min(1, Math.max(0, value));
const percent = (value) => `${Math.round(value * 100)} %`;

export class Overlay {
  #root = svg("svg", { class: "overlay" });
  #drag = null; // {move(dx, dy), from: [x, y], moved}
  #placed = []; // corners of what is being drawn
  #cross = [0.5, 0.5];
  #crossShown = false;
  #labels = [];
  #texts = [];
  #observer;
  tool = null;

  /**
   * @param {HTMLElement} frame Exactly as large as the picture.
   * @param {Draft} draft
   * @param {() => void} changed Something was drawn, moved or selected.
   */
  constructor(frame, draft, changed) {
    Object.assign(this, { frame, draft, changed });
    const listen = (kind, handler) => this.#root.addEventListener(kind, handler.bind(this));
    listen("pointerdown", this.#down);
    listen("pointermove", this.#move);
    listen("pointerup", this.#up);
    listen("pointercancel", this.#up);
    listen("dblclick", () => this.tool === "zone" && this.finish());
    listen("keydown", this.#key);
    frame.append(this.#root);
    this.#observer = new ResizeObserver(() => this.render());
    this.#observer.observe(frame);
  }

  close() {
    this.#observer.disconnect();
    this.#root.remove();
  }

  /** Begin to draw a "line" or "zone"; null stops it. */
  draw(tool) {
    Object.assign(this, { tool });
    this.#placed = [];
    this.#crossShown = false;
    this.draft.selected = -1;
    this.render();
    if (tool) this.#root.focus({ preventScroll: true });
  }

  get corners() {
    return this.#placed.length;
  }

  /** Whether what is being drawn can be a zone already. */
  get canFinish() {
    return this.tool === "zone" && this.#placed.length >= 3;
  }

  finish() {
    if (!this.canFinish) return;
    this.#add("zone");
  }

  #add(kind) {
    this.draft.add(kind, this.#placed);
    this.draw(null);
    this.select(this.draft.shapes.length - 1);
    this.#root.querySelector(".handle:last-of-type").focus({ preventScroll: true });
  }

  /** Text behind each name. */
  label(texts) {
    this.#texts = texts;
    this.#labels.forEach((label, index) => {
      const { name } = this.draft.shapes[index] ?? {};
      const text = `${name}  ${this.#texts[index] ?? ""}`.trim();
      if (label.textContent !== text) label.textContent = text;
    });
  }

  render() {
    const focused = this.#root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (!width || !height) return;
    this.#root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#root.dataset.tool = this.tool ?? "";
    const about = this.tool
      ? `Drawing a ${this.tool}: arrow keys move the cross, Enter sets a point, Backspace takes it back, Escape ends`
      : "Zones and lines on the picture";
    this.#root.setAttribute("role", this.tool ? "application" : "group");
    this.#root.setAttribute("aria-label", about);
    if (this.tool) this.#root.setAttribute("tabindex", "0");
    else this.#root.removeAttribute("tabindex");
    this.#labels = [];
    const at = ([x, y]) => [x * width, y * height];
    const shapes = this.draft.shapes.map((shape, index) => this.#shape(shape, index, at, width));
    const chosen = this.draft.shape && !this.tool ? this.#handles(this.draft.shape, at) : [];
    this.#root.replaceChildren(...shapes, ...chosen, ...this.#drawing(at));
    this.label(this.#texts);
    if (focused) this.#root.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  #shape({ kind, name, points }, index, at, width) {
    const corners = points.map(at);
    const list = corners.map((corner) => corner.join()).join(" ");
    const isSelected = index === this.draft.selected;
    const label = svg("text", {}, name);
    this.#labels.push(label);
    const body = svg("g", {
      class: `shape ${kind}${isSelected ? " selected" : ""}`, role: "button", tabindex: this.tool ? -1 : 0,
      "aria-pressed": isSelected, "aria-label": `${kind === "zone" ? "Zone" : "Line"} ${name}`,
    });
    Object.assign(body.dataset, { key: `shape-${index}`, shape: index });
    if (kind === "zone") {
      const [x, y] = corners.reduce((a, b) => (b[1] < a[1] ? b : a));
      place(label, x, y - 8, width);
      body.append(svg("polygon", { class: "halo", points: list }), svg("polygon", { class: "ink", points: list }), label);
    } else {
      const [from, to] = corners;
      const [x, y] = from[1] < to[1] ? from : to;
      place(label, x < width / 2 ? x + 10 : x - 10, y - 4, width);
      body.append(svg("polyline", { class: "grip", points: list }), svg("polyline", { class: "halo", points: list }),
        svg("polyline", { class: "ink", points: list }), ...arrow(from, to), label);
    }
    return body;
  }

  #handles({ kind, name, points }, at) {
    const count = points.length;
    const handle = (key, where, about, small) => {
      const [x, y] = at(where);
      const made = svg("g", { class: small ? "handle small" : "handle", role: "button", tabindex: 0, "aria-label": about },
        svg("circle", { class: "grip", cx: x, cy: y, r: small ? 11 : 18 }),
        svg("circle", { class: "dot", cx: x, cy: y, r: small ? 4 : 7 }));
      Object.assign(made.dataset, { key, [small ? "middle" : "corner"]: key.split("-")[1] });
      return made;
    };
    const what = (index) => (kind === "line" ? ["Start", "End"][index] : `Corner ${index + 1} of ${count}`);
    const corners = points.map((point, index) =>
      handle(`corner-${index}`, point, `${what(index)} of ${name}, ${percent(point[0])} across, ${percent(point[1])} down`));
    if (kind === "line") return corners;
    const middles = points.map((point, index) => {
      const next = points[(index + 1) % count];
      const middle = [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2];
      return handle(`middle-${index}`, middle, `Add a corner after corner ${index + 1} of ${name}`, true);
    });
    return [...middles, ...corners];
  }

  #drawing(at) {
    if (!this.tool) return [];
    const corners = this.#placed.map(at);
    const [x, y] = at(this.#cross);
    const list = [...corners, ...(this.#crossShown || corners.length ? [[x, y]] : [])].map((corner) => corner.join()).join(" ");
    const made = [svg("polyline", { class: "halo", points: list }), svg("polyline", { class: "ink drawing", points: list })];
    if (this.tool === "line" && corners.length === 1) made.push(...arrow(corners[0], [x, y]));
    corners.forEach(([cx, cy], index) => {
      const closes = index === 0 && corners.length >= 3;
      made.push(svg("circle", { class: closes ? "dot close" : "dot", cx, cy, r: 6 }));
    });
    if (this.#crossShown) made.push(svg("path", { class: "cross", d: `M${x - 12} ${y}h24M${x} ${y - 12}v24` }));
    return made;
  }

  #at(event) {
    const box = this.#root.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
  }

  #isNear(a, b) {
    return Math.hypot((a[0] - b[0]) * this.frame.clientWidth, (a[1] - b[1]) * this.frame.clientHeight) < NEAR;
  }

  #place(point) {
    if (this.#placed.length >= 3 && this.#isNear(point, this.#placed[0])) return this.finish();
    if (this.#placed.length && this.#isNear(point, this.#placed.at(-1))) return; // the second half of a double click
    this.#placed.push(point);
    if (this.tool === "line" && this.#placed.length === 2) return this.#add("line");
    this.render();
    this.changed();
  }

  #down(event) {
    if (event.button) return;
    const from = this.#at(event);
    this.#cross = from;
    if (this.tool) {
      event.preventDefault();
      return this.#place(from);
    }
    const { dataset } = event.target.closest("[data-key]") ?? { dataset: {} };
    if (dataset.shape !== undefined) this.select(Number(dataset.shape));
    else if (dataset.corner === undefined && dataset.middle === undefined) return this.select(-1);
    this.draft.pause();
    if (dataset.middle !== undefined) this.#split(Number(dataset.middle));
    const corner = dataset.corner ?? (dataset.middle === undefined ? undefined : Number(dataset.middle) + 1);
    this.#drag = { from, start: structuredClone(this.draft.shape.points), corner };
    this.#root.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const now = this.#at(event);
    if (this.tool) {
      this.#cross = now;
      this.#crossShown = false;
      return this.render();
    }
    if (!this.#drag) return;
    const { from, start, corner } = this.#drag;
    this.#put(start, corner, [now[0] - from[0], now[1] - from[1]], "drag");
  }

  #up() {
    if (this.#drag) this.draft.pause();
    this.#drag = null;
  }

  select(index) {
    if (this.draft.selected === index) return;
    this.draft.selected = index;
    this.render();
    this.changed();
  }

  /** Move a corner, or all of the shape, by a part of the picture; none of it leaves the picture. */
  #put(start, corner, [dx, dy], key) {
    const within = (by, axis) => {
      const range = start.map((point) => point[axis]);
      return Math.max(Math.min(0, -Math.min(...range)), Math.min(Math.max(0, 1 - Math.max(...range)), by));
    };
    const [allX, allY] = [within(dx, 0), within(dy, 1)];
    this.draft.edit(({ shape }) => {
      shape.points = start.map(([x, y], index) => {
        if (corner === undefined) return [x + allX, y + allY];
        return index === Number(corner) ? [clamp(x + dx), clamp(y + dy)] : [x, y];
      });
    }, key);
    this.render();
    this.changed();
  }

  #split(index) {
    this.draft.edit(({ shape: { points } }) => {
      const [a, b] = [points[index], points[(index + 1) % points.length]];
      points.splice(index + 1, 0, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    }, "drag");
    this.render();
    this.changed();
  }

  #key(event) {
    const step = event.shiftKey ? LEAP : STEP;
    const way = ARROWS[event.key]?.map((direction) => direction * step);
    const { shape, corner, middle, key } = document.activeElement.dataset;
    const isEnter = event.key === "Enter" || event.key === " ";
    const isDelete = event.key === "Delete" || event.key === "Backspace";
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.tool) {
      if (way) this.#moveCross(way);
      else if (isEnter) this.#place([...this.#cross]);
      else if (event.key === "Backspace") this.takeBack();
      else return;
    } else if (way && (shape !== undefined || corner !== undefined)) {
      if (shape !== undefined) this.select(Number(shape));
      this.#put(structuredClone(this.draft.shape.points), corner, way, `keys-${key}`);
    } else if (isEnter && shape !== undefined) this.select(Number(shape));
    else if (isEnter && middle !== undefined) this.#split(Number(middle));
    else if (isDelete && corner !== undefined) this.#removeCorner(Number(corner));
    else if (isDelete && shape !== undefined) this.#removeShape(Number(shape));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #moveCross([dx, dy]) {
    this.#cross = [clamp(this.#cross[0] + dx), clamp(this.#cross[1] + dy)];
    this.#crossShown = true;
    this.render();
  }

  /** Forget the last corner of what is being drawn. */
  takeBack() {
    this.#placed.pop();
    this.render();
    this.changed();
  }

  #removeCorner(index) {
    if (this.draft.shape.kind === "line" || this.draft.shape.points.length <= 3) return;
    this.draft.edit(({ shape }) => shape.points.splice(index, 1));
    this.render();
    this.changed();
  }

  #removeShape(index) {
    this.draft.remove(index);
    this.render();
    this.changed();
  }
}

/** Text that begins at a point, or ends there where it would not fit into the picture. */
function place(label, x, y, width) {
  label.setAttribute("x", Math.min(width - 4, Math.max(4, x)));
  label.setAttribute("y", Math.max(16, y));
  label.setAttribute("text-anchor", x < width / 2 ? "start" : "end");
}

/** The arrow of "in": to the right hand of somebody who walks from a to b; y points down. */
function arrow([ax, ay], [bx, by]) {
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [fx, fy] = [(bx - ax) / length, (by - ay) / length];
  const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
  const [tx, ty] = [mx - fy * 28, my + fx * 28];
  const wing = (side) => `${tx + fy * 9 + fx * 7 * side} ${ty - fx * 9 + fy * 7 * side}`;
  const path = `M${mx} ${my}L${tx} ${ty}M${wing(1)}L${tx} ${ty}L${wing(-1)}`;
  const label = svg("text", { class: "in", x: tx - fy * 14, y: ty + fx * 14 + 4, "text-anchor": "middle" }, "in");
  return [svg("path", { class: "halo", d: path }), svg("path", { class: "ink", d: path }), label];
}
