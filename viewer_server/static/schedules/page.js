// The page of schedules: what each node's calendar has, what holds now, and the form that changes it.

/**
 * @import { CalendarList } from "../../wire"
 * @typedef {CalendarList["nodes"][number]} NodeCalendar
 */

import { button, byId, element, messageOf } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { own } from "../common/own.js";
import { Pager } from "../common/pager.js";
import { askInPlace, keepUp } from "../common/rest.js";
import { Editor } from "./editor.js";
import { NodeModes } from "./mode.js";
import { clockTime } from "./times.js";
import { calledOf, stateOf, weekOf } from "./words.js";

const EVERY_MS = 3000;
const ON_A_PAGE = 25;

class SchedulesPage {
  /** @type {Map<string, NodeCalendar>} */
  #nodes = new Map();
  /** @type {Map<string, NodeModes>} */
  #modes = new Map();
  #shown = "";
  #failed = false;
  #editor = new Editor((node) => this.#nodes.get(node), () => this.refresh());
  #pager = new Pager(byId("pager"), "nodes", ON_A_PAGE, () => this.refresh());
  refresh = keepUp(() => this.#refresh(), () => EVERY_MS);

  async #refresh() {
    try {
      /** @type {CalendarList} */
      const { nodes, total } = await askInPlace(`calendars?${new URLSearchParams(this.#pager.asked)}`);
      if (!this.#pager.told(total)) return this.refresh();
      this.#nodes = new Map(nodes.map((node) => [node.node, node]));
      byId("empty").hidden = nodes.length > 0 || this.#pager.isNeeded;
      if (this.#failed) byId("note").textContent = "";
      this.#failed = false;
      this.#show(nodes);
      this.#editor.told();
    } catch (error) {
      this.#failed = true;
      byId("note").textContent = messageOf(error);
    }
  }

  /** Builds the cards anew when something has changed. @param {NodeCalendar[]} nodes */
  #show(nodes) {
    for (const { node, online, calendar, mode } of nodes) {
      if (calendar && mode) this.#modes.get(node)?.show({ online, calendar, mode }, true);
    }
    const minute = Math.floor(Date.now() / 60_000); // a moment near enough is told without its date
    const now = JSON.stringify([minute, nodes.map(({ mode, calendar, ...node }) =>
      [node, calendar, mode?.mode, mode?.timezone, mode?.schedules])]);
    if (now === this.#shown) return;
    this.#shown = now;
    const focused = document.activeElement?.getAttribute("data-key");
    byId("nodes").replaceChildren(...nodes.map((node) => this.#card(node)));
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {NodeCalendar} about */
  #card(about) {
    const { node, name, online, capable, calendar } = about;
    const head = element("div", { class: "row" }, element("h2", {}, named(name, node)),
      element("span", { class: "pill", "data-state": online ? "good" : "bad" }, online ? "online" : "offline"));
    /** @type {HTMLElement[]} */
    const parts = [head];
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
