// What stands beside the picture: its objects, the classes, and what is known of it.

/**
 * @import { LabelPicture } from "../../wire"
 * @import { Boxes } from "./boxes.js"
 */

import { button, byId, element, inputById } from "../common/dom.js";

const DIGITS = 9; // keys 1 to 9
/** @type {Record<string, string>} */
export const REASONS = {
  new_scene: "a new scene", low_score: "an unsure box", flicker: "a box that comes and goes",
  lost_track: "an object that was lost", disagreement: "two looks that disagree",
};

/**
 * When a picture was taken. A video counts from its start, which looks like 1970.
 * @param {number} us
 */
function taken(us) {
  const at = new Date(us / 1000);
  return at.getUTCFullYear() > 1970 ? at.toLocaleString() : `${at.toISOString().slice(11, 21)} in the video`;
}

export class Panel {
  /** @type {string[]} */
  classes = [];
  /** The class of the next box that is drawn. */
  next = "";

  /**
   * @param {{select: (index: number) => void, name: (label: string) => void}} tell
   */
  constructor(tell) {
    this.tell = tell;
    const box = inputById("class");
    /** @param {Event} [event] */
    const take = (event) => {
      event?.preventDefault();
      const label = box.value.trim();
      box.value = "";
      if (label) tell.name(label);
    };
    box.addEventListener("input", (event) => { // picked from the list
      if (!(event instanceof InputEvent) && this.classes.includes(box.value)) take();
    });
    byId("class-form").addEventListener("submit", take);
  }

  /**
   * The place of a class among all of them.
   * @param {string} label
   */
  indexOf(label) {
    if (!this.classes.includes(label)) this.classes.push(label);
    return this.classes.indexOf(label);
  }

  /**
   * The class that a digit stands for.
   * @param {number} digit
   */
  byDigit(digit) {
    return digit <= DIGITS ? this.classes[digit - 1] : undefined;
  }

  /** @param {Boxes | null} boxes */
  show(boxes) {
    const list = boxes?.list ?? [];
    for (const { label } of list) this.indexOf(label);
    const rows = byId("boxes");
    const focused = [...rows.children].indexOf(/** @type {Element} */ (document.activeElement));
    rows.replaceChildren(...list.map(({ label, score }, index) => {
      const row = button("", () => this.tell.select(index), { class: "button row-button", "aria-pressed": index === boxes?.selected });
      row.append(element("span", { class: "name" }, label), element("span", { class: "quiet" }, score === null ? "" : `${Math.round(score * 100)} %`));
      return row;
    }));
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (rows.children[Math.min(focused, list.length - 1)])?.focus();
    byId("no-boxes").hidden = list.length > 0;
    const current = boxes?.box?.label ?? this.next;
    byId("classes").replaceChildren(...this.classes.slice(0, DIGITS).map((name, index) =>
      button(`${index + 1} ${name}`, () => this.tell.name(name), { class: "button chip", "aria-pressed": name === current })));
    byId("class-list").replaceChildren(...this.classes.map((name) => element("option", { value: name })));
    byId("class-about").textContent = boxes?.box ? `Class of the selected box: ${current}` : `Class of the next box: ${current || "choose one"}`;
  }

  /** @param {LabelPicture | null} picture */
  about(picture) {
    /** @type {[string, string | null | undefined][]} */
    const facts = picture ? [
      ["State", picture.state ?? "open"],
      ["Camera", picture.camera],
      ["Taken", picture.captured_us === null ? null : taken(picture.captured_us)],
      ["Kept for", picture.reasons.map((reason) => REASONS[reason] ?? reason).join(", ")],
      ["Light", picture.light === null ? null : `${Math.round(picture.light * 100)} %`],
      ["Boxes by", picture.model],
      ["File", picture.name],
    ] : [];
    byId("facts").replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value ?? ""))));
  }
}
