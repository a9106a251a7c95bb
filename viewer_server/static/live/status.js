// What the page says about its connections and the nodes, and what it waits for.

/**
 * @import { About } from "../../page"
 * @import { Calendar, Metrics, ModeState, NodeInfo, NodeStatus } from "../../wire"
 * @import { Fleet } from "../common/fleet.js"
 * @typedef {{
 *   status?: NodeStatus | null, info?: NodeInfo | null, metrics?: Metrics | null, calendar?: Calendar | null, mode?: ModeState | null,
 * }} KnownNode
 */

import { byId, element } from "../common/dom.js";
import { time } from "../common/format.js";
import { called, isolated, label } from "../common/names.js";

const number = new Intl.NumberFormat("en");

/** @param {About} about */
export function showConnection(about) {
  let { kind, text } = about.link;
  if (about.connected) [kind, text] = about.broker ? ["good", "Live"] : ["bad", "No broker connection"];
  const pill = byId("connection");
  pill.dataset.state = kind;
  if (pill.textContent !== text) pill.textContent = text;
}

/**
 * Names a few nodes with their states, and counts many.
 * @param {Fleet} fleet
 * @param {Map<string, KnownNode>} nodes Details of those that have cameras on this page, by name.
 */
export function showNodes(fleet, nodes) {
  const { few, count, online } = fleet.nodes;
  const isGood = online === count;
  const all = () => element("span", { class: "node", "data-state": isGood ? "good" : "bad" },
    `${number.format(count)} nodes${isGood ? " online" : `, ${number.format(count - online)} not online`}`);
  byId("nodes").replaceChildren(...few?.map((name) => nodeLabel(name, fleet.statusOf(name), nodes.get(name) ?? {})) ?? [all()]);
}

/** @param {string} name @param {string | null} state @param {KnownNode} node */
function nodeLabel(name, state, { status, info, metrics }) {
  const online = state === "online";
  const shown = called(name);
  const facts = [`Node ${shown === name ? name : `${isolated(shown)} (${name})`}: ${state ?? "state unknown"}`];
  if (status?.reason) facts.push(status.reason);
  if (info) facts.push(`${info.model.name} on ${info.backend}, ${info.device}`, `version ${info.version}`);
  if (metrics) {
    facts.push(`last heard of at ${time(metrics.published_us / 1000)}`,
      `processor ${Math.round(metrics.cpu_percent)} % of one core, ${Math.round(metrics.memory_mb)} MB`);
  }
  const made = label(name);
  made.removeAttribute("title"); // that of the whole says more
  const said = online || !state ? [] : [` ${state}`];
  return element("span", { class: "node", "data-state": online ? "good" : "bad", title: facts.join("\n") }, made, ...said);
}

/**
 * Shows the steps until a camera is on the screen; hides them once there is one.
 * @param {About} about
 * @param {string[]} nodes Their names.
 * @param {number} cameras How many are known.
 */
export async function showSteps(about, nodes, cameras) {
  byId("events").dataset.cameras = String(cameras);
  byId("waiting").hidden = cameras > 0;
  if (!cameras) (await import("../cameras/steps.js")).showSteps(about, nodes);
}
