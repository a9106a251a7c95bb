// A list of what has happened, newest first: page by page, and kept up to date.

/** @import { Parameters } from "../common/rest.js" */

import { buttonById, byId, childrenOf, element, messageOf } from "../common/dom.js";
import { ours } from "../common/rest.js";

const PAGE = 50;

/** @template {{occurred_us: number}} T */
export class Timeline {
  /** @type {Map<string | number, {text: string, shown: HTMLElement}>} */
  #known = new Map(); // by key
  /** @type {string | null} */
  #older = null; // cursor of the next page
  #wanted = ""; // the filter that the list shows
  #feed = byId("feed");

  /**
   * @param {object} given
   * @param {() => Parameters} given.filter What is wanted now.
   * @param {(parameters: Parameters) => Promise<{found: T[], next: string | null}>} given.load A page of it.
   * @param {(one: T) => string | number} given.keyOf
   * @param {(one: T) => HTMLElement} given.show
   */
  constructor({ filter, load, keyOf, show }) {
    this.filter = filter;
    this.load = load;
    this.keyOf = keyOf;
    this.show = show;
    byId("more").addEventListener("click", () => this.#more());
  }

  /**
   * Brings the list up to date: all of it after the filter has changed, else what is new, and what has changed.
   * @param {() => Promise<void>} offer Brings the choices of the filter up to date before.
   */
  async refresh(offer) {
    try {
      await offer();
      const asked = this.filter();
      const { found, next } = await this.load({ ...asked, limit: PAGE });
      const now = JSON.stringify(asked);
      if (now !== JSON.stringify(this.filter())) return;
      // Where everything is new, older ones may be missing in the list.
      if (now !== this.#wanted || (this.#feed.children.length && !found.some((one) => this.#known.has(this.keyOf(one))))) {
        this.#wanted = now;
        this.#older = next;
        this.#known.clear();
        this.#feed.replaceChildren(...found.map((one) => this.#item(one)));
      } else this.#insert(found);
      byId("note").textContent = "";
    } catch (error) {
      byId("note").textContent = messageOf(error);
    }
    this.#tidy();
  }

  /**
   * Puts items at their place in time, as some come late; those that have changed are shown anew.
   * @param {T[]} found
   */
  #insert(found) {
    for (const one of found) {
      const before = this.#known.get(this.keyOf(one));
      if (before?.text === JSON.stringify(one)) continue;
      const open = before?.shown.querySelector("details")?.open ?? false;
      const focused = before?.shown.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
      const shown = this.#item(one);
      if (before) before.shown.replaceWith(shown);
      else this.#feed.insertBefore(shown, childrenOf(this.#feed).find((other) => Number(other.dataset.at) < one.occurred_us) ?? null);
      const details = shown.querySelector("details");
      if (details) details.open = open;
      if (focused) /** @type {HTMLElement | null} */ (shown.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
    }
  }

  async #more() {
    buttonById("more").disabled = true;
    try {
      const { found, next } = await this.load({ ...this.filter(), limit: PAGE, cursor: this.#older });
      const first = this.#feed.children.length;
      this.#feed.append(...found.map((one) => this.#item(one)));
      this.#older = next;
      childrenOf(this.#feed)[first]?.focus();
    } catch (error) {
      byId("note").textContent = messageOf(error);
    }
    buttonById("more").disabled = false;
    this.#tidy();
  }

  /** @param {T} one */
  #item(one) {
    const shown = this.show(one);
    Object.assign(shown, { tabIndex: -1 });
    shown.dataset.at = String(one.occurred_us);
    this.#known.set(this.keyOf(one), { text: JSON.stringify(one), shown });
    return shown;
  }

  #tidy() {
    byId("more").hidden = this.#older === null;
    byId("empty").hidden = this.#feed.children.length > 0 || byId("note").textContent !== "";
  }
}

/**
 * A small picture that opens the large one; an empty place where there is none, or none any more.
 * @param {string | null} given Its address, as the API gave it.
 * @param {string} about
 */
export function snapshot(given, about) {
  const none = () => element("span", { class: "no-picture", "aria-hidden": "true" });
  if (!given) return none();
  const url = ours(given);
  const image = element("img", { src: url, alt: about, loading: "lazy", width: 72, height: 72 });
  const link = element("a", { href: url, target: "_blank", rel: "noopener", "data-key": "picture" }, image);
  image.addEventListener("error", () => link.replaceWith(none()));
  return link;
}
