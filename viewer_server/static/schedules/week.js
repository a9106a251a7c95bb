// The week as a picture: a row for each day, a bar for each time. Dragging over free room makes a time.
// Whatever can be done here can be done with the fields below it, too.

/** @import { Span } from "./words.js" */

import { element } from "../common/dom.js";
import { minutesOf, textOf } from "./moments.js";
import { dayCalled, DAYS, spanOf } from "./words.js";

const DAY = 1440;
const SNAP = 30; // minutes
const SUN = { sunrise: 360, sunset: 1080 }; // where bars by the sun are drawn, about
const KEYS = { ArrowLeft: -15, ArrowRight: 15 };

export class Week {
  #rows = DAYS.map((_, index) => element("div", { class: "day", "data-day": index }));
  /** @type {{day: number, at: number, ghost: HTMLElement, to: [number, number]} | null} */
  #drag = null;
  root;

  /**
   * @param {() => Span[]} spans
   * @param {{
   *   add: (span: Span) => void, choose: (index: number) => void, change: (index: number, span: Span) => void, remove: (index: number) => void,
   * }} on
   */
  constructor(spans, on) {
    this.spans = spans;
    this.on = on;
    const hours = [0, 6, 12, 18, 24].map((hour) => {
      const made = element("span", {}, String(hour));
      made.style.left = `${(hour / 24) * 100}%`;
      return made;
    });
    this.root = element("div", { class: "week", role: "group", "aria-label": "The week" },
      ...this.#rows.map((row, index) => element("div", { class: "day-row" }, element("span", { class: "day-name" }, dayCalled(index)), row)),
      element("div", { class: "day-row", "aria-hidden": "true" }, element("span", { class: "day-name" }), element("div", { class: "hours" }, ...hours)));
    this.root.addEventListener("pointerdown", (event) => this.#begin(event));
    this.root.addEventListener("pointermove", (event) => this.#move(event));
    this.root.addEventListener("pointerup", () => this.#finish());
    this.root.addEventListener("pointercancel", () => this.#drop());
    this.show();
  }

  /** Draws the bars anew. */
  show() {
    const focused = this.root.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
    for (const row of this.#rows) row.replaceChildren();
    this.spans().forEach((span, index) => {
      const days = span.days.length ? DAYS.flatMap((day, at) => (span.days.includes(day) ? [at] : [])) : DAYS.map((_, at) => at);
      for (const day of days) this.#bars(span, index, day);
    });
    if (focused) /** @type {HTMLElement | null} */ (this.root.querySelector(`[data-key="${focused}"]`))?.focus();
  }

  /** @param {Span} span @param {number} index @param {number} day On which it begins. */
  #bars(span, index, day) {
    const [start, end] = [placeOf(span.start), placeOf(span.end)];
    const isSun = minutesOf(span.start) === null || minutesOf(span.end) === null;
    const parts = end > start ? [[day, start, end]] : [[day, start, DAY], [(day + 1) % 7, 0, end]];
    parts.forEach(([at, from, to], nth) => {
      if (to <= from) return;
      const made = element("button", {
        type: "button", class: "bar-of-day", "data-sun": isSun, "data-key": `${index}-${day}-${nth}`,
        "aria-label": `${spanOf(span)}: change`, title: spanOf(span), ...(nth ? { tabindex: -1 } : {}),
      });
      made.style.left = `${(from / DAY) * 100}%`;
      made.style.width = `${((to - from) / DAY) * 100}%`;
      made.addEventListener("click", () => this.on.choose(index));
      made.addEventListener("keydown", (event) => this.#key(event, index));
      this.#rows[at].append(made);
    });
  }

  /**
   * Left and right move a time, with the shift key its end; Delete removes it.
   * @param {KeyboardEvent} event
   * @param {number} index
   */
  #key(event, index) {
    if (event.key === "Delete") {
      event.preventDefault();
      return this.on.remove(index);
    }
    const by = KEYS[/** @type {keyof typeof KEYS} */ (event.key)];
    const span = this.spans()[index];
    const [start, end] = [minutesOf(span.start), minutesOf(span.end)];
    if (!by || start === null || end === null) return;
    event.preventDefault();
    /** @param {number} minutes @param {boolean} isEnd */
    const wrapped = (minutes, isEnd) => textOf(isEnd && minutes === DAY ? DAY : (minutes + DAY) % DAY);
    this.on.change(index, { ...span, start: event.shiftKey ? span.start : wrapped(start + by, false), end: wrapped(end + by, true) });
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    const row = event.target instanceof HTMLElement && event.target.closest(".day");
    if (!(row instanceof HTMLElement) || event.target !== row || event.button) return;
    const at = this.#minutes(event);
    const ghost = element("div", { class: "ghost" });
    this.#drag = { day: Number(row.dataset.day), at, ghost, to: [Number(row.dataset.day), at] };
    this.root.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    const day = this.#rows.findIndex((row) => event.clientY < row.getBoundingClientRect().bottom);
    drag.to = [day < 0 ? 6 : day, this.#minutes(event)];
    const [first, last] = [Math.min(drag.day, drag.to[0]), Math.max(drag.day, drag.to[0])];
    const [from, to] = this.#range(drag.at, drag.to[1]);
    this.root.querySelectorAll(".ghost").forEach((one) => one.remove());
    for (let index = first; index <= last; index += 1) {
      const made = element("div", { class: "ghost" }, index === first ? `${textOf(from)} – ${textOf(to)}` : "");
      made.style.left = `${(from / DAY) * 100}%`;
      made.style.width = `${((to - from) / DAY) * 100}%`;
      this.#rows[index].append(made);
    }
  }

  #finish() {
    const drag = this.#drag;
    this.#drop();
    if (!drag) return;
    const [from, to] = this.#range(drag.at, drag.to[1]);
    const [first, last] = [Math.min(drag.day, drag.to[0]), Math.max(drag.day, drag.to[0])];
    this.on.add({ days: DAYS.slice(first, last + 1), start: textOf(from), end: textOf(to) });
  }

  #drop() {
    this.#drag = null;
    this.root.querySelectorAll(".ghost").forEach((one) => one.remove());
  }

  /** Where a pointer is, minutes of the day. @param {PointerEvent} event */
  #minutes(event) {
    const box = this.#rows[0].getBoundingClientRect();
    return Math.min(DAY, Math.max(0, ((event.clientX - box.left) / box.width) * DAY));
  }

  /** @param {number} a @param {number} b @returns {[number, number]} Whole half hours, at least one. */
  #range(a, b) {
    const from = Math.min(DAY - SNAP, Math.floor(Math.min(a, b) / SNAP) * SNAP);
    return [from, Math.max(from + SNAP, Math.ceil(Math.max(a, b) / SNAP) * SNAP)];
  }
}

/** Where a moment is drawn, minutes of the day. @param {string} moment */
function placeOf(moment) {
  const minutes = minutesOf(moment);
  if (minutes !== null) return minutes;
  const [, which, offset] = moment.match(/^(sunrise|sunset)([+-]\d+)?$/) ?? ["", "sunrise", "0"];
  return Math.min(DAY - 1, Math.max(1, SUN[/** @type {keyof typeof SUN} */ (which)] + Number(offset ?? 0)));
}
