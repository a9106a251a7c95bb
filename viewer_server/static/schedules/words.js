// Schedules of a node in words, in the node's own time zone.

/**
 * @import { Calendar, ModeState } from "../../wire"
 * @typedef {Calendar["schedules"][string]} Schedule
 * @typedef {Schedule["spans"][number]} Span
 */

import { own } from "../common/own.js";
import { clockTime } from "./times.js";

/**
 * What holds now and when it changes, such as "active until 18:00".
 * @param {ModeState["schedules"][string] | undefined} state
 * @param {string | null | undefined} timezone
 * @param {boolean} inModes Whether another mode may change it before.
 */
export function stateOf(state, timezone, inModes) {
  if (!state) return "not known";
  if (state.next_change_us != null) return `${state.active ? "active" : "not active"} until ${clockTime(state.next_change_us, timezone)}`;
  if (inModes) return state.active ? "active in this mode" : "not active in this mode";
  return state.active ? "active, and no change within a year" : "not active, not within a year";
}

/**
 * What people call a mode or a schedule.
 * @param {Record<string, {name: string | null}>} all
 * @param {string} id
 */
export const calledOf = (all, id) => own(all, id)?.name || id;

export const DAYS = /** @type {const} */ (["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
const MONDAY = Date.UTC(2024, 0, 1);
const weekday = new Intl.DateTimeFormat("en", { weekday: "short", timeZone: "UTC" });

/** @param {number} index 0 for Monday. */
export const dayCalled = (index) => weekday.format(MONDAY + index * 86_400_000);

/**
 * Days of the week, such as "Mon to Fri" or "every day".
 * @param {readonly string[]} days Empty: all.
 */
export function daysOf(days) {
  const chosen = DAYS.flatMap((day, index) => (days.includes(day) ? [index] : []));
  if (!chosen.length || chosen.length === 7) return "every day";
  const runs = chosen.filter((index) => !chosen.includes(index - 1)).map((from) => {
    let to = from;
    while (chosen.includes(to + 1)) to += 1;
    return to > from + 1 ? `${dayCalled(from)} to ${dayCalled(to)}` : [from, ...(to > from ? [to] : [])].map(dayCalled).join(", ");
  });
  return runs.join(", ");
}

/**
 * A moment of a day in words, such as "30 min before sunset".
 * @param {string} moment As on the wire.
 */
export function momentOf(moment) {
  const found = moment.match(/^(sunrise|sunset)(?:([+-])(\d+))?$/);
  if (!found) return moment;
  const [, which, sign, minutes] = found;
  return Number(minutes ?? 0) ? `${Number(minutes)} min ${sign === "-" ? "before" : "after"} ${which}` : which;
}

/** @param {Span} span */
export function spanOf({ days, start, end }) {
  const isAll = start === "00:00" && end === "24:00";
  return `${daysOf(days)}${isAll ? "" : ` ${momentOf(start)} to ${momentOf(end)}`}`;
}

const FEW = 6; // spans that are told one by one; the editor has them all

/**
 * A schedule's week in words.
 * @param {Schedule} schedule
 */
export function weekOf({ spans, exceptions }) {
  const [told, left] = spans.length > FEW + 1 ? [spans.slice(0, FEW), spans.length - FEW] : [spans, 0];
  const week = told.map(spanOf).join("; ") || "always";
  const days = exceptions.length;
  return `${week}${left ? `; ${left} more` : ""}${days ? `; other times on ${days} ${days === 1 ? "date" : "dates"}` : ""}`;
}
