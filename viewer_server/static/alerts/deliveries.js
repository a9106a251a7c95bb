// What became of an alert at each target, and what can be done about it.

/** @import { AlertEntry, Delivery } from "../../wire" */

import { button, element, messageOf } from "../common/dom.js";
import { askInPlace } from "../common/rest.js";
import { moment } from "../pages/axes.js";

/** @type {Record<Delivery["state"], string>} */
const STATES = { waiting: "waits", delivered: "delivered", dropped: "given up", unknown: "no such target" };

/**
 * A line that sums them up, behind which each has its own.
 * @param {AlertEntry} alert
 * @param {() => void} changed Called when something was done.
 */
export function deliveries({ id, deliveries: all }, changed) {
  if (!all.length) return [element("p", { class: "quiet" }, "Sent to nobody.")];
  /** @type {Map<Delivery["state"], number>} */
  const counts = new Map();
  for (const { state } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
  const text = all.length === 1 ? `${all[0].target}: ${STATES[all[0].state]}`
    : [...counts].map(([state, count]) => `${count} ${state === "waiting" && count > 1 ? "wait" : STATES[state]}`).join(", ");
  const waits = all.some(({ state }) => state !== "delivered");
  const note = element("p", { class: "quiet", role: "status" });
  const send = async (/** @type {"retry" | "drop"} */ what, /** @type {string} */ target) => {
    try {
      await askInPlace(`alerts/${id}/${what}`, { target });
      changed();
    } catch (error) {
      note.textContent = messageOf(error);
    }
  };
  const lines = all.map((one) => element("li", {}, element("span", {}, element("bdi", { class: "name" }, one.target), ` ${STATES[one.state]}${times(one)}`,
    ...(one.detail ? [element("span", { class: "note-line" }, one.detail)] : [])),
  ...(one.state === "waiting" || one.state === "dropped" ? [element("span", { class: "bar" },
    button("Try again now", () => void send("retry", one.target), { "data-key": `${one.target} retry`, "aria-label": `Try ${one.target} again now` }),
    ...(one.state === "waiting" ? [button("Give up", () => void send("drop", one.target), { "data-key": `${one.target} drop`, "aria-label": `Give up sending to ${one.target}` })] : []))] : [])));
  return [element("details", { class: "deliveries", "data-state": waits ? "wait" : "good" }, element("summary", { "data-key": "summary" }, text),
    element("ul", {}, ...lines), note)];
}

/** @param {Delivery} one */
function times({ state, attempts, last_us: last, due_us: due }) {
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  const parts = [attempts ? tries : "", last ? `last ${moment(last / 1000, 1000)}` : "", state === "waiting" && due && due / 1000 > Date.now() ? `next ${moment(due / 1000, 1000)}` : ""];
  const said = parts.filter(Boolean).join(", ");
  return said ? ` (${said})` : "";
}
