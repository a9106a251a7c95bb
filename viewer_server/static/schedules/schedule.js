// The form of one schedule: its week, the days that differ, the modes in which it can be active, and what that means.

/**
 * @import { CalendarDraft } from "./draft.js"
 * @import { Schedule, Span } from "./words.js"
 * @typedef {Schedule["exceptions"][number]} Exception
 * @typedef {Exception["spans"][number]} DaySpan
 */

import { button, element } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { momentField } from "./moments.js";
import { Preview } from "./preview.js";
import { Week } from "./week.js";
import { calledOf, dayCalled, DAYS, spanOf } from "./words.js";

/** @type {Span} */
const OFFICE = { days: ["mon", "tue", "wed", "thu", "fri"], start: "08:00", end: "18:00" };

export class ScheduleForm {
  #week;
  #rows = element("div", { class: "spans" });
  #exceptions = element("div", { class: "spans" });
  #preview = new Preview();
  root;

  /**
   * @param {CalendarDraft} draft
   * @param {string} id Of the schedule.
   * @param {string | null} timezone The node's, where the calendar names none.
   * @param {() => void} changed
   */
  constructor(draft, id, timezone, changed) {
    this.draft = draft;
    this.id = id;
    this.timezone = timezone;
    this.changed = changed;
    this.#week = new Week(() => this.#schedule.spans, {
      add: (span) => this.#edit((spans) => spans.push(span), this.#schedule.spans.length),
      choose: (index) => this.#focus(index),
      change: (index, span) => this.#edit((spans) => { spans[index] = span; }),
      remove: (index) => this.#remove(index),
    });
    this.root = element("div", { class: "schedule" },
      element("p", { class: "quiet" }, "Drag over the week to add a time, or add it below. Press a bar to change it: the arrow keys move it, with the shift key its end, and Delete removes it."),
      this.#week.root, this.#rows,
      element("div", { class: "bar" }, button("Add a time", () => this.#edit((spans) => spans.push(structuredClone(OFFICE)), this.#schedule.spans.length))),
      this.#modes(), this.#days(), this.#preview.root);
    this.#fill();
    this.refresh();
  }

  get #schedule() {
    return this.draft.calendar.schedules[this.id];
  }

  /** Brings what follows from other parts of the calendar up to date. */
  refresh() {
    if (this.#schedule) this.#preview.show(this.draft.calendar, this.id, this.timezone);
  }

  /**
   * Changes the times of the week.
   * @param {(spans: Span[]) => void} change
   * @param {number} [focus] The row that gets the focus.
   */
  #edit(change, focus) {
    const spans = [...this.#schedule.spans];
    change(spans);
    this.#schedule.spans = spans;
    this.#fill();
    if (focus !== undefined) this.#focus(focus);
    this.changed();
  }

  /** @param {number} index */
  #remove(index) {
    this.#edit((spans) => spans.splice(index, 1));
    /** @type {HTMLElement | null} */ (this.#rows.querySelector("button") ?? this.root.querySelector(".bar button"))?.focus();
  }

  /** @param {number} index */
  #focus(index) {
    /** @type {HTMLElement | null} */ (this.#rows.children[index]?.querySelector("input, select"))?.focus();
  }

  #fill() {
    this.#week.show();
    const { spans } = this.#schedule;
    this.#rows.replaceChildren(...spans.map((span, index) => this.#row(span, index)));
    if (!spans.length) this.#rows.append(element("p", { class: "quiet" }, "No time is set, so it is always active."));
  }

  /** A time of the week. @param {Span} span @param {number} index */
  #row(span, index) {
    /** @param {Partial<Span>} news Without building the rows anew: the focus stays. */
    const put = (news) => {
      span = { ...span, ...news };
      this.#schedule.spans = this.#schedule.spans.map((one, at) => (at === index ? span : one));
      remove.setAttribute("aria-label", `Remove ${spanOf(span)}`);
      this.#week.show();
      this.changed();
    };
    const days = element("span", { class: "days", role: "group", "aria-label": "Days on which it begins" }, ...DAYS.map((day, at) => {
      const box = element("input", { type: "checkbox" });
      box.checked = !span.days.length || span.days.includes(day);
      box.addEventListener("input", () => {
        const now = DAYS.filter((one) => (one === day ? box.checked : !span.days.length || span.days.includes(one)));
        if (!now.length) box.checked = true; // a time without a day would be every day
        else put({ days: now.length === 7 ? [] : now });
      });
      return element("label", {}, box, dayCalled(at));
    }));
    const remove = button("Remove", () => this.#remove(index), { "aria-label": `Remove ${spanOf(span)}` });
    return element("div", { class: "span", role: "group", "aria-label": `Time ${index + 1}` }, days,
      ...fromTo(span, put), remove);
  }

  #modes() {
    const { modes } = this.draft.calendar;
    const all = Object.keys(modes);
    if (!all.length) return element("div");
    return element("fieldset", { class: "in-modes" }, element("legend", {}, "Active only in these modes; none chosen: in each"), ...all.map((id) => {
      const box = element("input", { type: "checkbox" });
      box.checked = this.#schedule.modes.includes(id);
      box.addEventListener("input", () => {
        this.#schedule.modes = all.filter((one) => (one === id ? box.checked : this.#schedule.modes.includes(one)));
        this.changed();
      });
      return element("label", {}, box, isolated(calledOf(modes, id)));
    }));
  }

  /** The days that differ. */
  #days() {
    const details = element("details", {}, element("summary", {}, "Dates that differ, such as holidays"), this.#exceptions,
      element("div", { class: "bar" }, button("Add a date", () => {
        const today = new Date().toLocaleDateString("sv"); // as ISO 8601 writes it
        this.#schedule.exceptions = [...this.#schedule.exceptions, { first: today, last: null, spans: [] }];
        this.#fillDays();
        /** @type {HTMLElement | null} */ (this.#exceptions.lastElementChild?.querySelector("input"))?.focus();
        this.changed();
      })));
    details.open = this.#schedule.exceptions.length > 0;
    this.#fillDays();
    return details;
  }

  #fillDays() {
    this.#exceptions.replaceChildren(...this.#schedule.exceptions.map((one, index) => this.#exception(one, index)));
  }

  /** @param {Exception} exception @param {number} index */
  #exception(exception, index) {
    /** @param {Partial<Exception>} news */
    const put = (news, isNew = false) => {
      exception = { ...exception, ...news };
      this.#schedule.exceptions = this.#schedule.exceptions.map((one, at) => (at === index ? exception : one));
      if (isNew) this.#fillDays();
      this.changed();
    };
    const first = element("input", { type: "date", required: "", value: exception.first, "aria-label": "First of these days" });
    const last = element("input", { type: "date", value: exception.last ?? "", "aria-label": "Last of these days, if there are several" });
    first.addEventListener("input", () => first.value && put({ first: first.value }));
    last.addEventListener("input", () => put({ last: last.value || null }));
    const spans = exception.spans.map((span, at) => {
      /** @param {Partial<DaySpan>} news */
      const set = (news) => put({ spans: exception.spans.map((one, nth) => (nth === at ? { ...one, ...news } : one)) });
      return element("div", { class: "span" }, ...fromTo(span, set),
        button("Remove", () => put({ spans: exception.spans.filter((_, nth) => nth !== at) }, true), { "aria-label": `Remove time ${at + 1} of ${exception.first}` }));
    });
    return element("div", { class: "exception", role: "group", "aria-label": `From ${exception.first}` },
      element("div", { class: "span" }, first, "to", last, element("span", { class: "quiet" }, spans.length ? "instead:" : "not active"),
        button("Add a time", () => put({ spans: [...exception.spans, { start: "10:00", end: "14:00" }] }, true), { "aria-label": `Add a time on ${exception.first}` }),
        button("Remove", () => {
          this.#schedule.exceptions = this.#schedule.exceptions.filter((_, nth) => nth !== index);
          this.#fillDays();
          this.changed();
        }, { "aria-label": `Remove ${exception.first}` })),
      ...spans);
  }
}

/**
 * The fields for begin and end.
 * @param {DaySpan} span
 * @param {(news: Partial<DaySpan>) => void} put
 */
const fromTo = (span, put) => [momentField("From", span.start, false, (start) => put({ start })), element("span", {}, "to"),
  momentField("To", span.end, true, (end) => put({ end }))];
