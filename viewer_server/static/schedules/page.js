// The page of schedules: what each node's calendar has, what holds now, and the form that changes it.

/**
 * @import { CalendarList } from "../../wire"
 * @typedef {CalendarList["nodes"][number]} NodeCalendar
 */

import { button, element } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { own } from "../common/own.js";
import { heading, NodeCards } from "../lists/nodes.js";
import { Editor } from "./editor.js";
import { NodeModes } from "./mode.js";
import { clockTime } from "./times.js";
import { calledOf, stateOf, weekOf } from "./words.js";


class SchedulesPage {
  /** @type {Map<string, NodeModes>} */
  #modes = new Map();
  #editor = new Editor((node) => this.#nodes.get(node), () => this.#nodes.refresh());
  /** @type {NodeCards<CalendarList>} */
  #nodes = new NodeCards({
    path: "calendars",
    seen: (nodes) => {
      const minute = Math.floor(Date.now() / 60_000); // a moment near enough is told without its date
      return [minute, nodes.map(({ mode, calendar, ...node }) => [node, calendar, mode?.mode, mode?.timezone, mode?.schedules])];
    },
    card: (node) => this.#card(node),
    told: ({ nodes }) => {
      for (const { node, online, calendar, mode } of nodes) {
        if (calendar && mode) this.#modes.get(node)?.show({ online, calendar, mode }, true);
      }
    },
    made: () => this.#editor.told(),
  });

  /** @param {NodeCalendar} about */
  #card(about) {
    const { node, name, online, capable, calendar } = about;
    /** @type {HTMLElement[]} */
    const parts = [heading(about)];
    const isEmpty = !calendar || (!Object.keys(calendar.schedules).length && !Object.keys(calendar.modes).length);
    if (!capable) {
      parts.push(element("p", { class: "quiet" }, "This node is of a version that knows no schedules: everything is always active. Update it to have some."));
    } else {
      if (isEmpty) parts.push(element("p", {}, "Everything is always active. With a schedule, zones, lines, masks, cameras and rules are active at times of the week; modes such as home and away turn them on and off."));
      else parts.push(...this.#contents(about, calendar));
      if (online) {
        parts.push(element("div", { class: "bar" }, button(isEmpty ? "Make a schedule" : "Change", () => this.#editor.open(node, isEmpty), {
          "data-key": `${node} change`, "aria-label": `${isEmpty ? "Make a schedule for" : "Change the schedules of"} ${isolated(name ?? node)}`,
        })));
      }
    }
    return element("section", { class: "card", "aria-label": `Node ${name ?? node}`, "data-node": node }, ...parts);
  }

  /** @param {NodeCalendar} about @param {NonNullable<NodeCalendar["calendar"]>} calendar */
  #contents({ node, online, mode }, calendar) {
    const timezone = mode?.timezone ?? calendar.timezone;
    const { location } = calendar;
    /** @type {[string, string][]} */
    const facts = [["Time zone", timezone ?? "the machine's"]];
    if (mode) facts.push(["Now", clockTime(Date.now() * 1000, timezone)]);
    if (location) facts.push(["Place", `${location.latitude}°, ${location.longitude}°`]);
    facts.push(["Counters of the day begin at", calendar.day_starts.join(", ")]);
    /** @type {HTMLElement[]} */
    const parts = [element("dl", { class: "numbers" }, ...facts.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))))];
    if (mode && Object.keys(calendar.modes).length) {
      const modes = this.#modes.get(node) ?? new NodeModes(node);
      this.#modes.set(node, modes);
      modes.show({ online, calendar, mode }, true);
      parts.push(element("div", { class: "holds" }, element("h3", {}, "Mode"), modes.root));
    }
    const rows = Object.entries(calendar.schedules).map(([id, schedule]) => {
      const state = online ? own(mode?.schedules, id) : undefined;
      const inModes = schedule.modes.length ? `, in ${schedule.modes.map((one) => isolated(calledOf(calendar.modes, one))).join(" or ")}` : "";
      return element("li", { "data-schedule": id },
        element("span", { class: "state", "data-state": state?.active ? "good" : (state ? "wait" : "bad") }, element("bdi", { title: id }, schedule.name || id)),
        element("span", {}, stateOf(state, timezone, schedule.modes.length > 0)), element("span", { class: "quiet" }, `${weekOf(schedule)}${inModes}`));
    });
    if (rows.length) parts.push(element("ul", { class: "states", "aria-label": "Schedules" }, ...rows));
    return parts;
  }
}

new SchedulesPage();
