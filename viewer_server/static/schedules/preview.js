// The next seven days of a schedule, as the node would have them: the viewer computes them with the node's own code.

/**
 * @import { Ahead, Calendar } from "../../wire"
 * @typedef {Pick<Calendar, "timezone" | "location" | "day_starts" | "modes" | "schedules">} Draft
 */

import { element, messageOf } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { own } from "../common/own.js";
import { askInPlace } from "../common/rest.js";
import { clockTime, dayName } from "./times.js";
import { calledOf } from "./words.js";

const PAUSE_MS = 400; // after the last change
const DAYS = 7;
const HOUR_US = 3_600_000_000;

export class Preview {
  #timer = 0;
  #asked = 0;
  #list = element("ol", { class: "ahead" });
  #note = element("p", { class: "quiet", role: "status" });
  root = element("section", { "aria-label": "The next seven days" }, element("h4", {}, "The next seven days"), this.#note, this.#list);

  /**
   * Shows what a schedule would mean, a moment after the last change.
   * @param {Draft} calendar
   * @param {string} schedule
   * @param {string | null} timezone The node's, where the calendar names none.
   */
  show(calendar, schedule, timezone) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(calendar, schedule, timezone), PAUSE_MS);
  }

  /** @param {Draft} calendar @param {string} schedule @param {string | null} timezone */
  async #ask(calendar, schedule, timezone) {
    const number = (this.#asked += 1);
    const wanted = new Set([schedule, ...Object.values(calendar.modes).map(({ during }) => during ?? "")]);
    const schedules = Object.fromEntries(Object.entries(calendar.schedules).filter(([id]) => wanted.has(id)));
    try {
      /** @type {Ahead} */
      const found = await askInPlace("calendars/ahead", { calendar: { ...calendar, schedules }, days: DAYS, timezone });
      if (number !== this.#asked) return;
      const hasModes = (own(calendar.schedules, schedule)?.modes.length ?? 0) > 0;
      this.#note.textContent = `${found.problems.map((text) => `${text}. `).join("")}In ${zoneOf(calendar, timezone, found)}${hasModes ? ", with the modes that the schedules set" : ""}.`;
      this.#list.replaceChildren(...found.days.map((day) => this.#day(day, found, schedule, hasModes ? calendar.modes : null)));
    } catch (error) {
      if (number !== this.#asked) return;
      this.#note.textContent = messageOf(error);
      this.#list.replaceChildren();
    }
  }

  /** @param {Ahead["days"][number]} day @param {Ahead} found @param {string} schedule @param {Calendar["modes"] | null} modes */
  #day({ from_us: begin, to_us: end }, { schedules, modes: held, timezone }, schedule, modes) {
    const spans = (own(schedules, schedule) ?? []).filter(({ from_us: from, to_us: to }) => from < end && to > begin)
      .map(({ from_us: from, to_us: to }) => [Math.max(from, begin), Math.min(to, end)]);
    const track = element("div", { class: "track", "aria-hidden": "true" }, ...spans.map(([from, to]) => {
      const bar = element("span");
      bar.style.left = `${((from - begin) / (end - begin)) * 100}%`;
      bar.style.width = `${Math.max(0.5, ((to - from) / (end - begin)) * 100)}%`;
      return bar;
    }));
    /** @param {number} us */
    const at = (us) => (us === end ? "24:00" : clockTime(us, timezone, us / 1000));
    const times = spans.map(([from, to]) => (from === begin && to === end ? "all day" : `${at(from)} to ${at(to)}`)).join(", ") || "not active";
    const hours = Math.round((end - begin) / HOUR_US);
    const modesThen = modes ? [...new Set(held.filter((one) => one.from_us < end && one.to_us > begin).map(({ mode }) => mode))] : [];
    const more = [...hours === 24 ? [] : [`clocks change: ${hours} hours`],
      ...modesThen.length ? [`mode ${modesThen.map((one) => isolated(calledOf(modes ?? {}, one ?? ""))).join(", ")}`] : []].join("; ");
    return element("li", {}, element("span", { class: "day-name" }, dayName((begin + end) / 2, timezone)), track,
      element("span", {}, times, ...(more ? [element("span", { class: "quiet" }, ` (${more})`)] : [])));
  }
}

/**
 * The time zone in use, in words.
 * @param {Draft} calendar
 * @param {string | null} timezone
 * @param {Ahead} found
 */
const zoneOf = (calendar, timezone, { timezone: used }) => (calendar.timezone || timezone ? used ?? ""
  : `the viewer's time zone${used ? `, ${used}` : ""}: that of the node is not known`);
