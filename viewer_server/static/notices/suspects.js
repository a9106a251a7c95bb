// A quiet question below a camera's picture: something that never moves is found there. Is it real?

/**
 * @import { AskedCamera, Box, Definitions } from "../../page"
 * @import { Suspect } from "../../wire"
 */

import { button, context2d, element } from "../common/dom.js";
import { duration } from "../common/format.js";
import { askInPlace, Refusal } from "../common/rest.js";
import { save } from "../edit/versions.js";
import { Notice } from "./notice.js";

const SIDE = 130; // of the picture, CSS pixels
const AROUND = 0.5; // how much of the picture around the box is shown, in sides of the box
const PATIENCE_MS = 3000; // for the message with the version that somebody else saved
const LOOK_MS = 100;

export class SuspectNotice extends Notice {
  /** @type {Suspect[]} */
  #suspects = [];
  /** @type {Set<string>} */
  #answered = new Set(); // the node has been told, and its next message leaves them out
  #picture;

  /**
   * @param {AskedCamera} tile
   * @param {string} link The address of the camera's page, where the question is asked.
   */
  constructor(tile, link) {
    const picture = element("div", { class: "shots" });
    super("Something that never moves", link, [
      button("Ignore here", () => this.#settle((one) => this.#ignore(one))),
      button("It is real", () => this.#settle((one) => this.#dismiss(one))),
    ], picture);
    this.#picture = picture;
    this.tile = tile;
  }

  /** @param {Suspect[]} suspects */
  set(suspects) {
    this.#suspects = suspects;
    const there = new Set(suspects.map(({ id }) => id));
    this.#answered.forEach((id) => { if (!there.has(id)) this.#answered.delete(id); });
    this.refresh();
  }

  /** Those that nobody has answered: neither here, nor with a mask on another screen. */
  get #open() {
    return this.#suspects.filter((one) => !this.#answered.has(one.id) && !this.#maskOf(one));
  }

  /**
   * The name of the mask that was made of a suspect; undefined when there is none.
   * @param {Suspect} suspect
   */
  #maskOf({ label, polygon }) {
    const masks = Object.entries(this.tile.zones?.masks ?? {});
    return masks.find(([, { polygon: corners, classes = [] }]) => (!classes.length || classes.includes(label)) &&
      corners.length === polygon.length && corners.every(([x, y], index) => x === polygon[index][0] && y === polygon[index][1]))?.[0];
  }

  /** Brings the question and its picture up to date; called once a second. */
  refresh() {
    const open = this.#open;
    const [one] = open;
    const what = open.length === 1 ? "Something here never moves" : `${open.length} things here never move`;
    const labels = [...new Set(open.map((each) => each.label))].slice(0, 3).join(", ");
    this.ask(one ? `${what}: ${labels}?` : "", !this.tile.hidesZones); // an editor has the definitions
    if (!one) return;
    const { label, since_us: since, last_us: last, seen_share: share, score } = one;
    this.text.textContent =
      `Something that never moves: ${label}, for ${duration((last - since) / 1e6)}. Never report it here?`;
    const others = open.length === 1 ? "" : ` One of ${open.length}.`;
    this.more.textContent = `Found in ${Math.round(share * 100)} % of the pictures, score ${Math.round(score * 100)} %.${others}`;
    this.#refreshPicture(one.box, label);
  }

  /** @param {Box} box @param {string} label */
  #refreshPicture([x1, y1, x2, y2], label) {
    const [dx, dy] = [(x2 - x1) * AROUND, (y2 - y1) * AROUND];
    /** @type {Box} */
    const [left, top, right, bottom] = [Math.max(0, x1 - dx), Math.max(0, y1 - dy), Math.min(1, x2 + dx), Math.min(1, y2 + dy)];
    const cut = this.tile.isSolo && this.tile.cutOut([left, top, right, bottom], SIDE);
    if (!cut) return this.#picture.replaceChildren();
    const [across, down] = [cut.width / (right - left), cut.height / (bottom - top)];
    const context = context2d(cut);
    for (const [colour, width] of /** @type {[string, number][]} */ ([["rgb(0 0 0 / 0.6)", 4], ["#ffd54a", 2]])) {
      [context.strokeStyle, context.lineWidth] = [colour, width];
      context.strokeRect((x1 - left) * across, (y1 - top) * down, (x2 - x1) * across, (y2 - y1) * down);
    }
    cut.setAttribute("role", "img");
    cut.setAttribute("aria-label", `What is taken for: ${label}`);
    this.#picture.replaceChildren(cut);
  }

  /** @param {(suspect: Suspect) => Promise<string>} act Returns what is said when it is done. */
  async #settle(act) {
    const [one] = this.#open;
    if (!one) return;
    await this.answer(async () => {
      const said = await act(one);
      this.#answered.add(one.id);
      return said;
    });
  }

  /** @param {Suspect} suspect */
  async #dismiss({ id, label }) {
    const path = [this.tile.node, this.tile.camera].map(encodeURIComponent).join("/");
    await askInPlace(`suspects/${path}/dismiss`, { id });
    return `The ${label} there counts as real from now on.`;
  }

  /**
   * Saves a mask for it. When somebody else has saved meanwhile, it is added to what they saved, unless they made it.
   * @param {Suspect} suspect
   */
  async #ignore(suspect) {
    const version = this.tile.zones?.version ?? 0;
    try {
      return await this.#mask(suspect);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 409) throw error;
      const end = performance.now() + PATIENCE_MS;
      while (this.tile.zones?.version === version && performance.now() < end) await pause(LOOK_MS);
      return await this.#mask(suspect);
    }
  }

  /** @param {Suspect} suspect */
  async #mask(suspect) {
    const { label, polygon } = suspect;
    const known = this.#maskOf(suspect);
    if (known !== undefined) return `Somebody else has masked it already: ${label} is not reported there. Delete the mask ${known} to undo it.`;
    const { version, zones, lines, masks, filters } = this.tile.zones ?? { version: 0, zones: {}, lines: {}, masks: {}, filters: {} };
    const name = freeName(label, { ...zones, ...lines, ...masks });
    const mask = /** @type {Definitions["masks"][string]} */ ({ polygon, classes: [label] }); // the node adds its defaults
    const saved = await save(this.tile, { zones, lines, masks: { ...masks, [name]: mask }, filters }, version);
    return `Mask ${name} is saved as version ${saved.version}: ${label} is not reported there. Delete the mask to undo it.`;
  }
}

/** @param {number} ms */
const pause = (ms) => new Promise((later) => setTimeout(later, ms));

/**
 * A name for a mask of a class that nothing has yet.
 * @param {string} label
 * @param {object} taken By name.
 */
function freeName(label, taken) {
  const base = label.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 56) || "mask";
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!(name in taken)) return name;
  }
}
