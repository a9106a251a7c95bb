// What has to happen until a camera is on the screen, and what to do next. Only pages without a camera load this.

/** @import { About } from "../../page" */

import { byId, element } from "../common/dom.js";
import { called, isolated } from "../common/names.js";

/** @param {About} about @param {string[]} nodes Their names. */
export function showSteps(about, nodes) {
  const known = nodes.length > 0;
  const broker = about.connected && about.broker === true;
  /** @type {[boolean, string, ...string[]][]} */
  const steps = [
    [about.connected, about.connected ? "This page is connected to the viewer." : "Connecting to the viewer."],
    [broker, about.broker ? `The viewer is connected to the broker at ${about.brokerAt || about.brokerUrl}.`
      : `The viewer looks for the broker${about.brokerUrl ? ` at ${about.brokerUrl}` : ""}. Is it running (mqtt.url)?`],
    known ? [true, `Edge node ${nodes.map((node) => isolated(called(node))).join(", ")} is known.`] : [false,
      `An edge node must announce itself on ${about.prefix || "darner/v1"}/…/status. On the machine that reaches the `
        + "cameras, the first of these commands finds them, and the second starts a node:",
      "darner-edge discover --output darner.yaml",
      `darner-edge --config darner.yaml --set mqtt.url=${about.brokerUrl || "mqtt://HOST:1883"}`],
    [false, "The node's cameras will appear here by themselves."],
  ];
  const now = steps.findIndex(([isDone]) => !isDone);
  byId("steps").replaceChildren(...steps.map(([isDone, text, ...commands], index) =>
    element("li", { "data-done": isDone, "data-now": index === now }, element("span", {}, text,
      ...commands.map((command) => element("code", {}, command)),
      ...known && index === steps.length - 1 ? [" If it has none yet: ", element("a", { href: "cameras" }, "add its first camera"), "."] : []))));
}
