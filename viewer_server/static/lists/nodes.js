// A card for each node: found by words, page by page, and kept up to date while somebody may be at work on it.

import { byId, element, messageOf } from "../common/dom.js";
import { named } from "../common/names.js";
import { Pager } from "../common/pager.js";
import { askInPlace, keepUp } from "../common/rest.js";

const EVERY_MS = 3000;
const ON_A_PAGE = 25;

/**
 * @template {{nodes: {node: string}[], total: number}} A The answer of the API.
 */
export class NodeCards {
  /** @type {Map<string, A["nodes"][number]>} */
  #nodes = new Map();
  #failed = ""; // what the page says of it
  #shown = "";
  #pager = new Pager(byId("pager"), "nodes", ON_A_PAGE, () => this.refresh());

  /**
   * @param {object} given
   * @param {string} given.path Of the API.
   * @param {(nodes: A["nodes"]) => unknown} given.seen What the cards show of them: while it stays, so do the cards.
   * @param {(node: A["nodes"][number]) => HTMLElement} given.card
   * @param {() => string} [given.edited] The node that is worked on. It stays known, also on another page of the list.
   * @param {(answer: A) => void} [given.told] Takes each answer, before the cards are made.
   * @param {(isNew: boolean) => void} [given.made] Called after, with whether the cards are new.
   */
  constructor({ path, seen, card, edited = () => "", told = () => {}, made = () => {} }) {
    this.path = path;
    this.seen = seen;
    this.card = card;
    this.edited = edited;
    this.told = told;
    this.made = made;
    this.refresh = keepUp(() => this.read(), () => EVERY_MS);
  }

  /** What is known of a node. @param {string} node */
  get(node) {
    return this.#nodes.get(node);
  }

  /** Asks for the nodes, and returns when they are there; `refresh` returns at once while it waits for an answer. */
  async read() {
    try {
      /** @type {A} */
      const answer = await askInPlace(`${this.path}?${new URLSearchParams(this.#pager.asked)}`);
      const { nodes, total } = answer;
      if (!this.#pager.told(total)) return this.refresh();
      const edited = this.#nodes.get(this.edited());
      this.#nodes = new Map([...edited ? [edited] : [], ...nodes].map((node) => [node.node, node]));
      byId("empty").hidden = nodes.length > 0 || this.#pager.isNeeded;
      this.told(answer);
      if (this.#failed && byId("note").textContent === this.#failed) byId("note").textContent = "";
      this.#failed = "";
      this.made(this.#show(nodes));
    } catch (error) {
      byId("note").textContent = this.#failed = messageOf(error);
    }
  }

  /** Builds the cards anew when something has changed; returns whether. @param {A["nodes"]} nodes */
  #show(nodes) {
    const now = JSON.stringify(this.seen(nodes));
    if (now === this.#shown) return false;
    this.#shown = now;
    const focused = byId("nodes").contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
    byId("nodes").replaceChildren(...nodes.map((node) => this.card(node)));
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`#nodes [data-key="${CSS.escape(focused)}"]`))?.focus();
    return true;
  }
}

/** The head of a card. @param {{node: string, name: string | null, online: boolean}} node */
export const heading = ({ node, name, online }) => element("div", { class: "row" }, element("h2", {}, named(name, node)),
  element("span", { class: "pill", "data-state": online ? "good" : "bad" }, online ? "online" : "offline"));
