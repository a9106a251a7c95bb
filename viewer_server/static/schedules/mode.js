// The mode of each node that has modes, at the top of the live page: one press sets another.

/**
 * @import { Calendar, ModeState } from "../../wire"
 * @typedef {{online: boolean, calendar: Calendar, mode: ModeState}} Known
 */

import { button, element, messageOf } from "../common/dom.js";
import { called, isolated, label } from "../common/names.js";
import { askInPlace } from "../common/rest.js";
import { clockTime } from "./times.js";
import { calledOf } from "./words.js";

const FEW = 4; // more modes are a list

/** The modes of one node. */
export class NodeModes {
  #built = "";
  #said = element("span", { class: "quiet", role: "status" });
  #choices = element("span", { class: "choices" });
  root;

  /** @param {string} node */
  constructor(node) {
    this.node = node;
    this.root = element("div", { class: "mode", role: "group", "data-node": node }, label(node), this.#choices, this.#said);
  }

  /** @param {Known} known @param {boolean} isAlone Whether no other node has modes. */
  show({ online, calendar, mode }, isAlone) {
    const { modes } = calendar;
    /** @type {HTMLElement} */ (this.root.firstElementChild).hidden = isAlone;
    this.root.setAttribute("aria-label", `Mode of ${called(this.node)}`);
    const built = JSON.stringify([modes, mode.mode, online]);
    if (built !== this.#built) { // else a list that is open would close
      this.#built = built;
      this.#fill(modes, mode.mode, online);
    }
    const next = mode.next_change_us == null ? "" : `until ${clockTime(mode.next_change_us, mode.timezone)}`;
    const how = mode.by_hand ? "set by hand" : "";
    const then = mode.next_mode && mode.next_mode !== mode.mode ? `, then ${isolated(calledOf(modes, mode.next_mode))}` : "";
    if (this.#said.dataset.state !== "bad") this.#said.textContent = [how, next && `${next}${then}`].filter(Boolean).join(", ");
  }

  /** @param {Calendar["modes"]} modes @param {string | null} current @param {boolean} may */
  #fill(modes, current, may) {
    const hadFocus = this.#choices.contains(document.activeElement) ? document.activeElement?.getAttribute("data-mode") : undefined;
    const all = Object.keys(modes);
    if (all.length > FEW) {
      const list = element("select", { "aria-label": `Mode of ${called(this.node)}` },
        ...all.map((id) => element("option", { value: id }, isolated(calledOf(modes, id)))));
      list.value = current ?? "";
      list.disabled = !may;
      list.addEventListener("change", () => this.#set(list.value));
      this.#choices.replaceChildren(list);
      if (hadFocus !== undefined) list.focus();
      return;
    }
    this.#choices.replaceChildren(...all.map((id) => {
      const made = button("", () => this.#set(id), { "data-mode": id, "aria-pressed": id === current });
      made.append(element("bdi", {}, calledOf(modes, id)));
      made.disabled = !may;
      if (id === hadFocus) setTimeout(() => made.focus());
      return made;
    }));
  }

  /** @param {string} mode */
  async #set(mode) {
    this.#said.removeAttribute("data-state");
    this.#said.textContent = "Setting…";
    try {
      await askInPlace(`calendars/${encodeURIComponent(this.node)}/mode`, { mode });
      this.#said.textContent = "";
    } catch (error) {
      this.#said.dataset.state = "bad";
      this.#said.textContent = `Not set: ${messageOf(error)}`;
      this.#built = ""; // the next message shows again what holds
    }
  }
}

export class ModeBar {
  /** @type {Map<string, NodeModes>} */
  #nodes = new Map();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  /**
   * Shows the modes of these nodes, by name, and of no others.
   * @param {Map<string, Known>} nodes
   */
  show(nodes) {
    for (const [name, { root }] of [...this.#nodes]) {
      if (nodes.has(name)) continue;
      root.remove();
      this.#nodes.delete(name);
    }
    for (const [name, known] of [...nodes].sort()) {
      const shown = this.#nodes.get(name) ?? new NodeModes(name);
      if (!this.#nodes.has(name)) this.root.append(shown.root);
      this.#nodes.set(name, shown);
      shown.show(known, nodes.size === 1);
    }
    this.root.hidden = !nodes.size;
  }
}
