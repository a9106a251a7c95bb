// The page of rules: those of each node in words, and a form to draw one up.

/** @import { RuleDefinition, RuleList } from "../../wire" @import { NodeRules } from "./words.js" */

import { button, byId, element } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { own } from "../common/own.js";
import { heading, NodeCards } from "../lists/nodes.js";
import { Editor } from "./editor.js";
import { aboutIt, inWords } from "./words.js";

const CHANGED = "This rule has been changed meanwhile. Look at the list, and try again if that is still right.";

class RulesPage {
  /** @type {string[]} */
  #targets = [];
  #changes = Promise.resolve(); // one at a time, each to what the one before has saved
  #editor = new Editor((node) => this.#nodes.get(node), () => this.#targets, () => this.#nodes.refresh());
  /** @type {NodeCards<RuleList>} */
  #nodes = new NodeCards({
    path: "rules",
    seen: (nodes) => nodes.map(({ rules, ...node }) => [node, rules?.version, rules?.rules, rules?.problems]),
    card: (node) => this.#card(node),
    edited: () => this.#editor.node,
    told: (answer) => this.#told(answer),
  });

  /** @param {RuleList} answer */
  #told({ targets, history }) {
    this.#targets = targets;
    byId("advice").textContent = history
      ? "This viewer sends alerts to nobody: its configuration has no targets (notify.targets). They are still noted, shown and published over MQTT."
      : "This viewer keeps no history, so it sends no alerts on and cannot try rules over what was. Nodes still publish them over MQTT.";
    byId("advice").hidden = history && targets.length > 0;
  }

  /** @param {NodeRules} about */
  #card(about) {
    const { node, name, online, can, rules } = about;
    const entries = Object.entries(rules?.rules ?? {}).sort(([a, one], [b, other]) => (one.name ?? a).localeCompare(other.name ?? b, undefined, { numeric: true }));
    const may = can && online;
    /** @type {HTMLElement[]} */
    const parts = [heading(about)];
    if (!can) parts.push(element("p", { class: "quiet" }, "This node is of a version that has no rules."));
    else if (!entries.length) parts.push(element("p", { class: "quiet" }, "No rules yet. A rule says when people are told of something: that somebody stays too long, that too many wait, that a camera is blind."));
    if (can && !online) parts.push(element("p", { class: "quiet" }, "Rules can be changed when the node is online again."));
    if (may) parts.push(element("div", { class: "bar" }, button("New rule", () => this.#editor.open(node), { "data-key": `${node}+` })));
    if (entries.length) {
      parts.push(element("ul", { class: "rules", "aria-label": `Rules of ${name ?? node}` }, ...entries.map(([id, rule]) => this.#row(about, id, rule, may))));
    }
    return element("section", { class: "card", "aria-label": `Node ${name ? `${isolated(name)} ${node}` : node}` }, ...parts);
  }

  /** @param {NodeRules} about @param {string} id @param {RuleDefinition} rule @param {boolean} may */
  #row(about, id, rule, may) {
    const { node, rules } = about;
    const key = `${node}/${id}`;
    const shown = rule.name ?? id;
    const head = element("div", { class: "head" }, element("h3", {}, named(rule.name, id)), element("span", { class: "badge", "data-severity": rule.severity }, rule.severity),
      ...(rule.enabled ? [] : [element("span", { class: "badge off" }, "off")]));
    const problems = own(rules?.problems, id) ?? [];
    const text = element("div", {}, head, element("p", {}, ...inWords(rule, about)),
      ...(problems.length ? [element("ul", { class: "problems", "aria-label": `What is wrong with ${shown}` }, ...problems.map((one) => element("li", {}, aboutIt(one))))] : []));
    const tool = (/** @type {string} */ name, /** @type {() => void} */ pressed) => button(name, pressed, { "data-key": `${key} ${name}`, "aria-label": `${name}: ${shown}` });
    const tools = may ? [
      tool("Change", () => this.#editor.open(node, id, rule)),
      tool("Copy", () => this.#editor.open(node, "", { ...rule, name: rule.name === null ? null : `${rule.name} 2`.slice(0, 64) })),
      tool(rule.enabled ? "Turn off" : "Turn on", () => this.#replace(node, id, rule, { ...rule, enabled: !rule.enabled })),
      tool("Delete", () => { if (confirm(`Delete the rule ${isolated(shown)}?`)) this.#replace(node, id, rule, null); }),
    ] : [];
    return element("li", { "data-rule": key }, text, element("div", { class: "bar" }, ...tools));
  }

  /**
   * Turns one rule on or off, or deletes it, after the changes that were asked for before. The page may still show what was
   * saved before those, so all rules are read anew. A rule that somebody has changed otherwise meanwhile is left alone.
   * @param {string} node
   * @param {string} id
   * @param {RuleDefinition} shown
   * @param {RuleDefinition | null} wanted
   */
  #replace(node, id, shown, wanted) {
    this.#changes = this.#changes.then(async () => {
      await this.#nodes.read();
      const now = this.#nodes.get(node)?.rules;
      if (!now) return;
      const { [id]: current, ...others } = now.rules;
      if (JSON.stringify({ ...current, enabled: shown.enabled }) !== JSON.stringify(shown)) byId("note").textContent = CHANGED;
      else await this.#editor.send(node, wanted ? { ...others, [id]: wanted } : others, now.version, byId("note"));
    });
  }
}

new RulesPage();
