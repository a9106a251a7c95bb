// A search field and the pages of a long list. What fits into one page shows neither.

import { button, element } from "./dom.js";

const PAUSE_MS = 250; // after the last key
const many = new Intl.NumberFormat("en");

/**
 * Whether a text holds every one of these words.
 * @param {string} text
 * @param {string[]} words In lower case.
 */
export const holds = (text, words) => !words.length || words.every((word) => text.toLowerCase().includes(word));

export class Pager {
  #input = element("input", { type: "search", maxlength: 128, autocomplete: "off", spellcheck: "false" });
  #said = element("span", { class: "quiet", role: "status" });
  #before = button("Previous", () => this.#turn(-1));
  #after = button("Next", () => this.#turn(1));
  #timer = 0;
  #page = 0;

  /**
   * @param {HTMLElement} root Where the field and the buttons go.
   * @param {string} noun What is listed, in the plural.
   * @param {number} most Of them on one page.
   * @param {() => void} changed Called when another page or other words are wanted.
   */
  constructor(root, noun, most, changed) {
    this.root = root;
    this.noun = noun;
    this.most = most;
    this.changed = changed;
    const asked = new URLSearchParams(location.search);
    this.#input.value = asked.get("find") ?? "";
    this.#page = Math.max(0, Math.trunc(Number(asked.get("page") ?? 1)) - 1 || 0);
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#found(), PAUSE_MS);
    });
    root.hidden = true;
    root.replaceChildren(element("label", {}, `Find ${noun} `, this.#input), this.#said,
      element("span", {}, this.#before, " ", this.#after)); // side by side, also on a phone
  }

  /** What is searched for. */
  get find() {
    return this.#input.value.trim();
  }

  /** The same, word by word in lower case. */
  get words() {
    return this.find.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** How many of those that were found stand before this page. */
  get skip() {
    return this.#page * this.most;
  }

  /** The parameters of a request for this page. */
  get asked() {
    return { find: this.find, skip: String(this.skip), limit: String(this.most) };
  }

  /** Whether more are known than fit into one page, or only some are wanted. */
  get isNeeded() {
    return !this.root.hidden;
  }

  /**
   * Says how many were found. When the page is behind the last one, it becomes that.
   * @param {number} total
   * @returns {boolean} Whether the page is still the one that was asked for.
   */
  told(total) {
    const last = Math.max(0, Math.ceil(total / this.most) - 1);
    const isThere = this.#page <= last;
    this.#page = Math.min(this.#page, last);
    const from = total && this.skip + 1;
    const to = Math.min(total, this.skip + this.most);
    const text = total > this.most ? `${many.format(from)} to ${many.format(to)} of ${many.format(total)} ${this.noun}`
      : `${many.format(total)} found`;
    if (this.#said.textContent !== text) this.#said.textContent = text; // a screen reader reads it again
    this.root.hidden = total <= this.most && !this.find && document.activeElement !== this.#input;
    this.#before.disabled = this.#page === 0;
    this.#after.disabled = this.#page === last;
    this.#before.hidden = this.#after.hidden = last === 0;
    return isThere;
  }

  #found() {
    this.#page = 0;
    this.#remember();
  }

  /** @param {number} by */
  #turn(by) {
    this.#page = Math.max(0, this.#page + by);
    this.#remember();
    this.root.scrollIntoView({ block: "nearest" });
  }

  /** Writes both into the address, so that they can be kept and sent to others. */
  #remember() {
    const kept = new URLSearchParams(location.search);
    kept.delete("find");
    kept.delete("page");
    if (this.find) kept.set("find", this.find);
    if (this.#page) kept.set("page", String(this.#page + 1));
    history.replaceState(null, "", `${location.pathname}${kept.size ? `?${kept}` : ""}${location.hash}`);
    this.changed();
  }
}
