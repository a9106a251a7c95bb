// Where alerts go: each target with how it is, a test, and what can be done about what waits.

/** @import { TargetEntry, TargetList, TestAnswer } from "../../wire" */

import { button, byId, element, messageOf } from "../common/dom.js";
import { askInPlace, Refusal } from "../common/rest.js";

const TEST_MS = 60_000;

export class Targets {
  #shown = "";

  async refresh() {
    try {
      /** @type {TargetList} */
      const { targets } = await askInPlace("targets");
      this.#show(targets);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error; // the list of alerts says that the viewer cannot be asked
    }
  }

  /** @param {TargetEntry[]} targets */
  #show(targets) {
    const now = JSON.stringify(targets);
    if (now === this.#shown) return;
    this.#shown = now;
    const list = byId("target-list");
    const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
    byId("targets").hidden = targets.length === 0;
    list.replaceChildren(...targets.map((target) => this.#row(target)));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {TargetEntry} target */
  #row({ name, kind, severity, configured, waiting, delivered, dropped, failing, detail, last_us: last }) {
    const tried = last !== null || delivered > 0; // the last attempt is forgotten when the viewer ends
    const state = !configured ? "bad" : failing ? "wait" : tried ? "good" : "";
    const says = !configured ? "no longer configured" : failing ? "fails" : tried ? "works" : "not tried yet";
    const numbers = [`${delivered} delivered`, waiting ? `${waiting} waiting` : "", dropped ? `${dropped} given up` : "",
      severity === null || severity === "info" ? "" : `only ${severity}${severity === "critical" ? "" : " or worse"}`].filter(Boolean).join(", ");
    const tool = (/** @type {string} */ text, /** @type {() => void} */ pressed) => button(text, pressed, { "data-key": `${name} ${text}`, "aria-label": `${text}: ${name}` });
    return element("li", { "data-target": name }, element("div", {}, element("strong", {}, element("bdi", {}, name)), " ", element("span", { class: "quiet" }, kind ?? ""), " ",
      element("span", { class: "pill", "data-state": state }, says), element("p", { class: "quiet" }, numbers), ...(detail ? [element("p", { class: "quiet" }, detail)] : [])),
    element("div", { class: "bar" }, ...(configured ? [tool("Send a test", () => void this.#test(name))] : []),
      ...(waiting && configured ? [tool("Try again now", () => void this.#do(name, "retry"))] : []),
      ...(waiting ? [tool("Give up what waits", () => { if (confirm(`Give up the ${waiting === 1 ? "alert that waits" : `${waiting} alerts that wait`} for ${name}?`)) void this.#do(name, "drop"); })] : [])));
  }

  /** @param {string} name */
  async #test(name) {
    byId("tested").textContent = `A test goes to ${name}.`;
    try {
      /** @type {TestAnswer} */
      const { delivered, detail, took_ms: ms } = await askInPlace(`targets/${name}/test`, {}, TEST_MS);
      byId("tested").textContent = `${name}: the test ${delivered ? "was delivered" : "failed"} after ${Math.round(ms)} ms${detail ? `: ${detail}` : ""}`;
    } catch (error) {
      byId("tested").textContent = messageOf(error);
    }
  }

  /** @param {string} name @param {"retry" | "drop"} what */
  async #do(name, what) {
    try {
      await askInPlace(`targets/${name}/${what}`, {});
      await this.refresh();
    } catch (error) {
      byId("tested").textContent = messageOf(error);
    }
  }
}
