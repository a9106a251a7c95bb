// What may be wrong with a camera's picture. Each notice is loaded when there is something to say.

/**
 * @import { AskedCamera } from "../../page"
 * @import { Health, Suspect } from "../../wire"
 * @import { HealthNotice, WatchedCamera } from "./health.js"
 * @import { SuspectNotice } from "./suspects.js"
 */

import { element } from "../common/dom.js";

export class Notices {
  /** @type {Health | null} */
  #told = null;
  /** @type {Suspect[]} */
  #found = [];
  /** @type {HealthNotice | undefined} */
  #health;
  /** @type {SuspectNotice | undefined} */
  #suspects;
  /** Below the picture. */
  root = element("div");
  /** Beside the camera's state. */
  mark = element("span", { class: "marks" });

  /**
   * @param {AskedCamera & WatchedCamera} tile
   * @param {string} link The address of the camera's page.
   */
  constructor(tile, link) {
    this.tile = tile;
    this.link = link;
  }

  /** @param {Health | null} health */
  async setHealth(health) {
    this.#told = health;
    if (!this.#health && health?.problems.length) {
      const { HealthNotice: Made } = await import("./health.js");
      if (!this.#health) {
        this.#health = new Made(this.tile, this.link);
        this.root.prepend(this.#health.root);
        this.mark.append(this.#health.mark);
      }
    }
    this.#health?.set(this.#told);
  }

  /** @param {Suspect[]} suspects */
  async setSuspects(suspects) {
    this.#found = suspects;
    if (!this.#suspects && suspects.length) {
      const { SuspectNotice: Made } = await import("./suspects.js");
      if (!this.#suspects) {
        this.#suspects = new Made(this.tile, this.link);
        this.root.append(this.#suspects.root);
      }
    }
    this.#suspects?.set(this.#found);
  }

  /** How the view has moved; undefined where it has not, or nobody knows how far. */
  get shift() {
    return this.#health?.shift;
  }

  /**
   * Brings the words up to date; called once a second.
   * @param {number} now
   */
  refresh(now) {
    this.#health?.refresh(now);
    this.#suspects?.refresh();
  }

  /** Takes back what was said of the last answers. */
  forget() {
    this.#health?.forget();
    this.#suspects?.forget();
  }
}
