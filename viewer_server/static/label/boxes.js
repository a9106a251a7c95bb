// The boxes of one picture while a person decides about them; every step can be undone.

/**
 * @import { Box } from "../../page"
 * @import { LabelBox, LabelPicture } from "../../wire"
 * @typedef {"all" | "start" | "end"} Grip What the arrow keys move: the box, or its first or last corner.
 */

import { Steps } from "../common/steps.js";

/** @param {number} value */
const clamp = (value) => Math.min(1, Math.max(0, value));

export class Boxes extends Steps {
  #first = "";
  /** @type {LabelBox[]} */
  list = [];
  selected = -1;
  /** @type {Grip} */
  grip = "all";

  /** @param {LabelPicture} picture */
  constructor(picture) {
    super();
    this.picture = picture;
    this.list = structuredClone(picture.boxes);
    this.#first = JSON.stringify(this.list);
  }

  get box() {
    return this.selected < 0 ? undefined : this.list[this.selected];
  }

  get isChanged() {
    return JSON.stringify(this.list) !== this.#first;
  }

  state() {
    return JSON.stringify([this.list, this.selected]);
  }

  /** @param {string} state */
  restore(state) {
    [this.list, this.selected] = JSON.parse(state);
  }

  /**
   * Selects one; -1 selects none.
   * @param {number} index
   */
  select(index) {
    if (index !== this.selected) this.grip = "all";
    this.selected = index;
    this.pause();
  }

  /**
   * Adds a box and selects it.
   * @param {Box} box
   * @param {string} label
   */
  add(box, label) {
    this.edit(() => {
      this.list.push({ label, box, score: null, id: null });
      this.selected = this.list.length - 1;
      this.grip = "all";
    });
  }

  /** Removes the selected box, and selects the one that takes its place. */
  remove() {
    if (!this.box) return;
    this.edit(() => {
      this.list.splice(this.selected, 1);
      this.selected = Math.min(this.selected, this.list.length - 1);
    });
  }

  clear() {
    if (this.list.length) this.edit(() => { [this.list, this.selected] = [[], -1]; });
  }

  /** @param {string} label */
  name(label) {
    const { box } = this;
    if (box && box.label !== label) this.edit(() => Object.assign(box, { label, score: null }));
  }

  /**
   * Moves a box, or one of its corners, and keeps it within the picture.
   * @param {Box} from Where it was.
   * @param {[number, number]} by Fractions of the picture.
   * @param {Grip | [0 | 2, 1 | 3]} grip A corner: which of the four numbers it is.
   * @param {string} key As for `Steps.edit`.
   */
  move(from, [dx, dy], grip, key) {
    const { box } = this;
    if (!box) return;
    /** @type {Box} */
    const moved = [...from];
    if (grip === "all") {
      const [x, y] = [[from[0], from[2], dx], [from[1], from[3], dy]].map(([low, high, by]) => Math.min(1 - high, Math.max(-low, by)));
      [x, y, x, y].forEach((by, index) => { moved[index] += by; });
    } else {
      const [across, down] = grip === "start" ? [0, 1] : grip === "end" ? [2, 3] : grip;
      moved[across] = clamp(moved[across] + dx);
      moved[down] = clamp(moved[down] + dy);
    }
    const [x1, x2] = [moved[0], moved[2]].sort((a, b) => a - b);
    const [y1, y2] = [moved[1], moved[3]].sort((a, b) => a - b);
    const { width, height } = this.picture;
    if ((x2 - x1) * (width ?? 1) < 1 || (y2 - y1) * (height ?? 1) < 1) return; // narrower than a pixel
    this.edit(() => { box.box = [x1, y1, x2, y2]; box.score = null; }, key);
  }

  /** What a decision sends. */
  get decided() {
    return this.list.map(({ label, box, score, id }) => ({ label, box, score, id }));
  }
}
