// Draws up one rule, and saves it among the node's other ones.

/**
 * @import { RuleDefinition, RuleProblems, RulesSaved } from "../../wire"
 * @import { NodeRules } from "./words.js"
 */

import { button, buttonById, byId, element, messageOf } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { askInPlace, Refusal } from "../common/rest.js";
import { finerFields, sentence } from "./form.js";
import { PRESETS, ruleOf } from "./presets.js";
import { Replay } from "./replay.js";
import { aboutIt } from "./words.js";

const CONFLICT = 409;
const CONFLICTED = "Somebody else has saved rules of this node meanwhile. Look at the list, and save again if your rule is still right.";
const PAUSE_MS = 400; // after the last change, before the viewer is asked what is wrong

export class Editor {
  #nodeOf;
  #targets;
  #changed;
  #replay = new Replay();
  #node = "";
  #id = "";
  #version = 0;
  #conflict = false;
  #before = "";
  #timer = 0;
  #asked = 0;
  /** @type {RuleDefinition | null} */
  #rule = null;
  /** @type {string | null} */
  #opener = null;

  /**
   * @param {(node: string) => NodeRules | undefined} nodeOf The newest of a node; of the one whose rule is open, also while it is not shown.
   * @param {() => string[]} targets Names of the viewer's targets.
   * @param {() => void} changed Called when something was saved.
   */
  constructor(nodeOf, targets, changed) {
    this.#nodeOf = nodeOf;
    this.#targets = targets;
    this.#changed = changed;
    byId("edit").addEventListener("submit", (event) => { event.preventDefault(); void this.#save(); });
    byId("edit").addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.#isChanged) this.close(); });
    byId("cancel").addEventListener("click", () => this.close());
    byId("replay").addEventListener("click", () => this.#tryIt());
    addEventListener("beforeunload", (event) => { if (this.#isChanged) event.preventDefault(); });
  }

  /**
   * Opens a rule; without one, a new one.
   * @param {string} node
   * @param {string} id Empty for a new one.
   * @param {RuleDefinition} [rule]
   */
  open(node, id = "", rule) {
    const about = this.#nodeOf(node);
    if (!about || (this.#isChanged && !confirm("Drop the rule that is not saved yet?"))) return;
    this.#opener = document.activeElement?.getAttribute("data-key") ?? null;
    [this.#node, this.#id, this.#version, this.#conflict] = [node, id, about.rules?.version ?? 0, false];
    this.#rule = rule ? structuredClone(rule) : ruleOf(PRESETS[0], about);
    this.#before = this.#text();
    byId("editor-title").textContent = id ? `Rule ${isolated(this.#rule.name ?? id)} of ${isolated(about.name ?? node)}`
      : `New rule of ${isolated(about.name ?? node)}`;
    byId("presets").hidden = Boolean(rule);
    byId("presets").replaceChildren(...PRESETS.map((preset, index) => button(preset.text, () => {
      this.#rule = ruleOf(preset, this.#nodeOf(node) ?? about);
      this.#replay.outdate();
      this.#draw();
    }, { "data-key": `preset-${index}`, class: "chip" })));
    byId("said").textContent = "";
    byId("editor").hidden = false;
    this.#draw();
    byId("editor-title").focus();
    byId("editor").scrollIntoView({ block: "nearest" });
  }

  close() {
    clearTimeout(this.#timer);
    this.#rule = null;
    this.#replay.close();
    byId("editor").hidden = true;
    const opener = this.#opener && document.querySelector(`#nodes [data-key="${CSS.escape(this.#opener)}"]`);
    /** @type {HTMLElement} */ (opener || byId("content")).focus();
  }

  /** The node whose rule is open; empty: none. */
  get node() {
    return this.#rule ? this.#node : "";
  }

  /**
   * Sends all rules of a node and says what came of it.
   * @param {string} node
   * @param {Record<string, RuleDefinition>} rules
   * @param {number} version
   * @param {HTMLElement} note
   * @returns {Promise<"saved" | "conflict" | "failed">}
   */
  async send(node, rules, version, note) {
    try {
      /** @type {RulesSaved} */
      const saved = await askInPlace(`rules/${node}`, { version, rules });
      if (node === this.#node && version === this.#version) this.#version = saved.version; // nobody else was faster
      note.textContent = saved.warnings.length ? "Saved. What rules cannot do stands below them." : "Saved.";
      this.#changed();
      return "saved";
    } catch (error) {
      note.textContent = messageOf(error);
      if (!(error instanceof Refusal) || error.status !== CONFLICT) return "failed";
      note.textContent = CONFLICTED;
      this.#changed();
      return "conflict";
    }
  }

  /** @param {(rule: RuleDefinition) => void} change @param {boolean} redraw Whether other choices are there now. */
  #edit(change, redraw = false) {
    if (!this.#rule) return;
    change(this.#rule);
    this.#replay.outdate();
    if (redraw) this.#draw();
    else this.#check();
  }

  #draw() {
    const node = this.#nodeOf(this.#node);
    if (!this.#rule || !node) return;
    const focused = document.activeElement?.getAttribute("data-key");
    byId("sentence").replaceChildren(...sentence(this.#rule, node, this.#targets(), (change, redraw) => this.#edit(change, redraw)));
    byId("fields").replaceChildren(...finerFields(this.#rule, (change, redraw) => this.#edit(change, redraw)));
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`#editor [data-key="${CSS.escape(focused)}"]`))?.focus();
    this.#check();
  }

  /** Asks the viewer what is wrong with the rule, a moment after the last change. */
  #check() {
    byId("replay").hidden = this.#rule?.when.trigger === "offline";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const number = (this.#asked += 1);
      if (!this.#rule) return;
      try {
        /** @type {RuleProblems} */
        const { problems } = await askInPlace(`rules/${this.#node}/check`, { id: this.#identifier(), rule: this.#rule });
        if (number === this.#asked) this.#tell(problems.map(aboutIt));
      } catch (error) {
        if (number === this.#asked) this.#tell([messageOf(error)]);
      }
    }, PAUSE_MS);
  }

  /** @param {string[]} problems */
  #tell(problems) {
    const list = byId("problems");
    if ([...list.children].map((one) => one.textContent).join("\n") === problems.join("\n")) return;
    list.replaceChildren(...problems.map((text) => element("li", {}, text)));
  }

  #text() {
    return JSON.stringify(this.#rule);
  }

  /** Whether something would be lost. */
  get #isChanged() {
    return this.#rule !== null && this.#text() !== this.#before;
  }

  /** The rule's identifier; a new one gets it from its name, else from what it is about. */
  #identifier() {
    if (this.#id || !this.#rule) return this.#id;
    const { name, when, cameras } = this.#rule;
    const words = name ?? [when.zones[0] ?? cameras[0] ?? "", when.trigger === "event" ? when.events[0] ?? "" : when.trigger].join("-");
    const base = words.normalize("NFKD").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 56).toLowerCase() || "rule";
    const taken = this.#nodeOf(this.#node)?.rules?.rules ?? {};
    if (!(base in taken)) return base;
    for (let number = 2; ; number += 1) if (!(`${base}-${number}` in taken)) return `${base}-${number}`;
  }

  async #save() {
    const node = this.#nodeOf(this.#node);
    if (!this.#rule || !node) return;
    const { version, rules } = node.rules ?? { version: 0, rules: {} };
    if (version > this.#version && !this.#conflict) { // whoever saves again has seen what the others did
      this.#conflict = true;
      byId("said").textContent = CONFLICTED;
      return;
    }
    buttonById("save").disabled = true;
    const became = await this.send(this.#node, { ...rules, [this.#identifier()]: this.#rule }, version, byId("said"));
    buttonById("save").disabled = false;
    this.#conflict ||= became === "conflict";
    if (became !== "saved") return;
    byId("note").textContent = byId("said").textContent;
    this.close();
  }

  #tryIt() {
    if (this.#rule) this.#replay.open(this.#node, this.#identifier(), this.#rule);
  }
}
