// A calendar while it is edited: nothing counts before it is saved.

/**
 * @import { Calendar } from "../../wire"
 * @typedef {Pick<Calendar, "timezone" | "location" | "day_starts" | "modes" | "schedules">} Definition
 * @typedef {"modes" | "schedules"} Kind
 */

const FREE = /[^A-Za-z0-9_-]+/g;

/** @returns {Definition} */
const empty = () => ({ timezone: null, location: null, day_starts: ["00:00"], modes: {}, schedules: {} });

/** @param {Definition | null} calendar @returns {Definition} */
function definitionOf(calendar) {
  const { timezone, location, day_starts: starts, modes, schedules } = structuredClone(calendar ?? empty());
  return { timezone, location, day_starts: starts, modes, schedules };
}

export class CalendarDraft {
  #first;
  #fresh = new Set(); // what was added here, whose identifier still follows its name

  /** @param {Calendar | null} base The saved calendar; null: there is none yet. */
  constructor(base) {
    this.version = base?.version ?? 0;
    this.calendar = definitionOf(base);
    this.#first = JSON.stringify(this.calendar);
  }

  get isChanged() {
    return JSON.stringify(this.calendar) !== this.#first;
  }

  /**
   * From now on, saving replaces another version.
   * @param {Calendar} theirs
   */
  rebase(theirs) {
    this.version = theirs.version;
  }

  /**
   * Adds a mode or a schedule.
   * @param {Kind} kind
   * @param {string} name For people.
   * @returns {string} Its identifier.
   */
  add(kind, name) {
    const id = this.#free(kind, name, "");
    const own = kind === "modes" ? { name: null, during: null } : { name: null, spans: [], exceptions: [], modes: [] };
    Object.assign(this.calendar[kind], { [id]: { ...own, name: name === id ? null : name } });
    this.#fresh.add(`${kind}/${id}`);
    return id;
  }

  /**
   * Gives a mode or schedule another name. The identifier of one that was never saved follows it.
   * @param {Kind} kind
   * @param {string} id
   * @param {string} name
   * @returns {string} Its identifier now.
   */
  call(kind, id, name) {
    const { calendar } = this;
    const isFresh = this.#fresh.delete(`${kind}/${id}`);
    const now = isFresh ? this.#free(kind, name, id) : id;
    if (isFresh) this.#fresh.add(`${kind}/${now}`);
    const own = { ...calendar[kind][id], name: name && name !== now ? name : null };
    const entries = Object.entries(calendar[kind]).map(([one, about]) => (one === id ? [now, own] : [one, about]));
    Object.assign(calendar, { [kind]: Object.fromEntries(entries) });
    if (kind === "schedules") Object.values(calendar.modes).forEach((mode) => { if (mode.during === id) mode.during = now; });
    else for (const one of Object.values(calendar.schedules)) one.modes = one.modes.map((mode) => (mode === id ? now : mode));
    return now;
  }

  /**
   * Removes a mode or schedule, and what names it.
   * @param {Kind} kind
   * @param {string} id
   */
  remove(kind, id) {
    const { calendar } = this;
    delete calendar[kind][id];
    if (kind === "schedules") Object.values(calendar.modes).forEach((mode) => { if (mode.during === id) mode.during = null; });
    else for (const one of Object.values(calendar.schedules)) one.modes = one.modes.filter((mode) => mode !== id);
  }

  /** Makes a mode the first one, which holds unless another is set. @param {string} id */
  putFirst(id) {
    const { [id]: own, ...others } = this.calendar.modes;
    this.calendar.modes = { [id]: own, ...others };
  }

  /** @param {Kind} kind @param {string} name @param {string} self The identifier that may stay. @returns {string} */
  #free(kind, name, self) {
    const taken = Object.keys(this.calendar[kind]).filter((id) => id !== self);
    const wanted = name.normalize("NFKD").replace(/\p{M}/gu, "").replace(FREE, "-").replace(/^-+|-+$/g, "").slice(0, 60)
      || (kind === "modes" ? "mode" : "schedule");
    // JavaScript sorts keys that are numbers, and the first mode has a meaning.
    const base = /^\d+$/.test(wanted) ? `${kind === "modes" ? "mode" : "schedule"}-${wanted}` : wanted;
    for (let number = 1; ; number += 1) {
      const id = number === 1 ? base : `${base}-${number}`;
      if (!taken.includes(id) && !(id in {})) return id; // every object has a "constructor"
    }
  }
}
