// The form of one node's calendar: time zone and place, modes, and schedules.

/**
 * @import { CalendarList, CalendarSaved } from "../../wire"
 * @typedef {CalendarList["nodes"][number]} NodeCalendar
 */

import { button, buttonById, byId, element, messageOf } from "../common/dom.js";
import { isolated, REFUSED } from "../common/names.js";
import { askInPlace, Refusal } from "../common/rest.js";
import { CalendarDraft } from "./draft.js";
import { ScheduleForm } from "./schedule.js";
import { calledOf, weekOf } from "./words.js";

const CONFLICT = 409;

export class Editor {
  #nodeOf;
  #saved;
  #node = "";
  #draft = new CalendarDraft(null);
  #chosen = "";
  /** @type {ScheduleForm | null} */
  #form = null;
  /** @type {Element | null} */
  #opener = null;
  #told = 0; // the version of others that a note speaks of
  #places = { general: element("div", { class: "fields" }), modes: element("div", { class: "spans" }), list: element("div", { class: "rows" }), one: element("div", { class: "one" }) };

  /**
   * @param {(node: string) => NodeCalendar | undefined} nodeOf What is known of a node.
   * @param {() => void} saved Called when something was saved.
   */
  constructor(nodeOf, saved) {
    this.#nodeOf = nodeOf;
    this.#saved = saved;
    const { general, modes, list, one } = this.#places;
    byId("edit").append(
      element("details", { id: "general" }, element("summary", {}, "Time zone, place and the day's counters"), general),
      element("section", { "aria-label": "Schedules" }, element("div", { class: "row" }, element("h3", {}, "Schedules"),
        button("Add a schedule", () => this.#add())), list, one),
      element("details", { id: "modes" }, element("summary", {}, "Modes, such as home and away"),
        element("p", { class: "quiet" }, "The first mode holds unless another one is set: by hand, over MQTT, by Home Assistant, or by a schedule."),
        modes, element("div", { class: "bar" }, button("Add a mode", () => this.#addMode()))),
    );
    byId("edit").addEventListener("submit", (event) => { event.preventDefault(); void this.#save(); });
    byId("cancel").addEventListener("click", () => this.close());
    addEventListener("beforeunload", (event) => { if (this.#isUnsaved) event.preventDefault(); });
  }

  get #isUnsaved() {
    return !byId("editor").hidden && this.#draft.isChanged;
  }

  get #calendar() {
    return this.#draft.calendar;
  }

  /** The time zone that the node takes where its calendar names none. */
  get #timezone() {
    const about = this.#nodeOf(this.#node);
    return about?.calendar?.timezone ? null : about?.mode?.timezone ?? null;
  }

  /** @param {string} node @param {boolean} isNew Whether there is nothing yet, so that a first schedule is begun. */
  open(node, isNew) {
    if (this.#isUnsaved && !confirm("What you have changed is not saved. Drop it?")) return;
    this.#opener = document.activeElement;
    this.#node = node;
    this.#begin();
    if (isNew) {
      this.#calendar.timezone ??= Intl.DateTimeFormat().resolvedOptions().timeZone; // many machines have none but UTC
      this.#fillGeneral();
      this.#add(false);
    }
    byId("general").toggleAttribute("open", isNew);
    byId("editor").hidden = false;
    byId("editor-title").focus();
    byId("editor").scrollIntoView({ block: "nearest" });
  }

  #begin() {
    const about = this.#nodeOf(this.#node);
    this.#draft = new CalendarDraft(about?.calendar ?? null);
    this.#told = 0;
    byId("editor-title").textContent = `Schedules of ${isolated(about?.name ?? this.#node)}`;
    byId("said").replaceChildren();
    this.#choose(Object.keys(this.#calendar.schedules)[0] ?? "");
    this.#fillGeneral();
    this.#fillModes();
  }

  close() {
    byId("editor").hidden = true;
    this.#form = null;
    const key = this.#opener?.getAttribute("data-key");
    /** @type {HTMLElement} */ ((key && document.querySelector(`[data-key="${CSS.escape(key)}"]`)) || byId("content")).focus();
  }

  /** The node's calendar was read again: somebody else may have saved. */
  told() {
    const theirs = this.#nodeOf(this.#node)?.calendar;
    if (byId("editor").hidden || buttonById("save").disabled || !theirs || [this.#draft.version, this.#told].includes(theirs.version)) return;
    if (!this.#draft.isChanged) return this.#begin();
    this.#told = theirs.version;
    this.#say("wait", `Somebody else saved version ${theirs.version} meanwhile.`,
      button("Take theirs", () => this.#begin()),
      button("Overwrite with mine", () => { this.#draft.rebase(theirs); void this.#save(); }));
  }

  #changed() {
    this.#fillList();
    this.#form?.refresh();
  }

  /** @param {string} id Empty: none. */
  #choose(id) {
    this.#chosen = id;
    this.#form = id ? new ScheduleForm(this.#draft, id, this.#timezone, () => this.#changed()) : null;
    this.#places.one.replaceChildren(...this.#form ? [this.#named("schedules", id), this.#form.root] : []);
    this.#fillList();
  }

  #fillList() {
    const { list } = this.#places;
    const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute("data-schedule") : null;
    list.replaceChildren(...Object.entries(this.#calendar.schedules).map(([id, schedule]) => {
      const made = button("", () => this.#choose(id), { class: "row-button", "data-schedule": id, "aria-pressed": id === this.#chosen });
      made.append(element("bdi", { class: "name" }, schedule.name || id), element("span", { class: "quiet" }, weekOf(schedule)));
      return made;
    }));
    if (!list.children.length) list.append(element("p", { class: "quiet" }, "There is no schedule, so everything is always active."));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-schedule="${CSS.escape(focused)}"]`))?.focus();
  }

  #add(focuses = true) {
    const id = this.#draft.add("schedules", "Opening hours");
    this.#calendar.schedules[id].spans = [{ days: ["mon", "tue", "wed", "thu", "fri"], start: "08:00", end: "18:00" }];
    this.#choose(id);
    if (focuses) this.#places.one.querySelector("input")?.select();
  }

  /** Name and identifier of a schedule, and the button that removes it. @param {"schedules"} kind @param {string} id */
  #named(kind, id) {
    const box = element("input", { type: "text", maxlength: 64, value: this.#calendar[kind][id].name || id, dir: "auto", "aria-label": "Name of the schedule" });
    const identifier = element("span", { class: "quiet" }, id);
    box.addEventListener("input", () => {
      const clean = box.value.replace(REFUSED, "");
      if (clean !== box.value) box.value = clean;
      id = this.#draft.call(kind, id, clean.trim());
      this.#chosen = identifier.textContent = id;
      if (this.#form) this.#form.id = id;
      this.#changed();
    });
    const remove = button("Remove this schedule", () => {
      this.#draft.remove(kind, id);
      this.#choose(Object.keys(this.#calendar[kind])[0] ?? "");
      this.#fillModes();
      byId("editor-title").focus();
    });
    return element("div", { class: "span" }, element("label", { class: "called" }, "Name ", box), identifier, remove);
  }

  #addMode() {
    const modes = Object.keys(this.#calendar.modes);
    this.#draft.add("modes", ["home", "away", "night"][modes.length] ?? "mode");
    this.#fillModes();
    this.#choose(this.#chosen);
    /** @type {HTMLInputElement | null} */ (this.#places.modes.lastElementChild?.querySelector("input"))?.select();
  }

  #fillModes() {
    const { modes, schedules } = this.#calendar;
    this.#places.modes.replaceChildren(...Object.entries(modes).map(([key, mode], index) => {
      let id = key;
      const box = element("input", { type: "text", maxlength: 64, value: mode.name || id, dir: "auto", "aria-label": `Name of mode ${index + 1}` });
      box.addEventListener("input", () => {
        const clean = box.value.replace(REFUSED, "");
        if (clean !== box.value) box.value = clean;
        id = this.#draft.call("modes", id, clean.trim());
      });
      box.addEventListener("change", () => this.#choose(this.#chosen)); // the schedule's form names it, too
      const during = element("select", { "aria-label": `Schedule that sets mode ${index + 1}` }, element("option", { value: "" }, "only by hand"),
        ...Object.keys(schedules).map((one) => element("option", { value: one }, `while ${isolated(calledOf(schedules, one))} is active`)));
      during.value = mode.during ?? "";
      during.addEventListener("input", () => {
        this.#calendar.modes[id].during = during.value || null;
        this.#form?.refresh();
      });
      const rebuilt = () => { this.#fillModes(); this.#choose(this.#chosen); byId("modes").querySelector("summary")?.focus(); };
      return element("div", { class: "span", role: "group", "aria-label": `Mode ${index + 1}` }, box, element("span", { class: "quiet" }, "set"), during,
        ...index ? [button("Make it the first", () => { this.#draft.putFirst(id); rebuilt(); })] : [element("span", { class: "quiet" }, "holds by default")],
        button("Remove", () => { this.#draft.remove("modes", id); rebuilt(); }, { "aria-label": `Remove mode ${index + 1}` }));
    }));
    byId("modes").toggleAttribute("open", byId("modes").hasAttribute("open") || Object.keys(modes).length > 0);
  }

  #fillGeneral() {
    const { timezone, location, day_starts: starts } = this.#calendar;
    const own = this.#nodeOf(this.#node)?.mode?.timezone;
    const zones = element("datalist", { id: "timezones" }, ...Intl.supportedValuesOf("timeZone").map((zone) => element("option", { value: zone })));
    const zone = element("input", { type: "text", list: "timezones", value: timezone ?? "", maxlength: 64, spellcheck: "false",
      placeholder: own && !timezone ? `the machine's: ${own}` : "the machine's" });
    const latitude = element("input", { type: "number", min: -90, max: 90, step: "any", value: location?.latitude ?? "", placeholder: "52.52" });
    const longitude = element("input", { type: "number", min: -180, max: 180, step: "any", value: location?.longitude ?? "", placeholder: "13.41" });
    const days = element("input", { type: "text", value: starts.join(", "), pattern: "\\s*([01]?\\d|2[0-3]):[0-5]\\d(\\s*,\\s*([01]?\\d|2[0-3]):[0-5]\\d)*\\s*",
      title: "Times such as 06:00, with commas between several", required: "" });
    /** @param {HTMLInputElement} field @param {() => void} set */
    const follow = (field, set) => field.addEventListener("input", () => { set(); this.#changed(); });
    follow(zone, () => { this.#calendar.timezone = zone.value.trim() || null; });
    const put = () => {
      const both = latitude.value !== "" && longitude.value !== "";
      this.#calendar.location = both ? { latitude: Number(latitude.value), longitude: Number(longitude.value) } : null;
      longitude.required = latitude.value !== "";
      latitude.required = longitude.value !== "";
    };
    for (const one of [latitude, longitude]) follow(one, put);
    follow(days, () => {
      if (days.validity.valid) this.#calendar.day_starts = days.value.split(",").map((one) => one.trim().padStart(5, "0"));
    });
    /** @param {string} text @param {HTMLElement} field */
    const labelled = (text, field) => element("label", {}, `${text} `, field);
    this.#places.general.replaceChildren(zones, labelled("Time zone", zone), labelled("Latitude, degrees north (for sunrise and sunset)", latitude),
      labelled("Longitude, degrees east", longitude), labelled("Counters of the day begin at", days));
  }

  async #save() {
    const form = /** @type {HTMLFormElement} */ (byId("edit"));
    const wrong = form.querySelector("input:invalid:not([hidden])");
    if (wrong instanceof HTMLInputElement) {
      wrong.closest("details")?.setAttribute("open", "");
      wrong.reportValidity();
      return;
    }
    buttonById("save").disabled = true;
    this.#say("wait", "Saving…");
    try {
      /** @type {CalendarSaved} */
      const { version, warnings } = await askInPlace(`calendars/${encodeURIComponent(this.#node)}`, { version: this.#draft.version, calendar: this.#calendar });
      byId("note").textContent = [`Saved as version ${version}.`, ...warnings.map((text) => `Warning: ${text}.`)].join(" ");
      this.close();
      this.#saved();
    } catch (error) {
      this.#say("bad", `Not saved: ${messageOf(error)}.`);
      this.#told = 0;
      if (error instanceof Refusal && error.status === CONFLICT) this.#saved(); // the list then shows the conflict
    } finally {
      buttonById("save").disabled = false;
    }
  }

  /** @param {"wait" | "bad"} state @param {string} text @param {...HTMLElement} buttons */
  #say(state, text, ...buttons) {
    byId("said").replaceChildren(element("div", { class: "note", "data-state": state }, element("p", {}, text),
      ...(buttons.length ? [element("div", { class: "bar" }, ...buttons)] : [])));
  }
}
