// A quiet question below a camera's picture, and what came of the last answer.

import { element, messageOf } from "../common/dom.js";

const PAUSE_MS = 700; // so that a double click does not answer the next question, too

export class Notice {
  #said = element("p", { class: "answered", role: "status", tabindex: -1 });
  #question;
  #buttons;
  link;
  text = element("div");
  more = element("p", { class: "quiet" });
  bar;
  root;

  /**
   * @param {string} title What the question is about.
   * @param {string} link The address of the camera's page, where it is asked.
   * @param {HTMLButtonElement[]} buttons The answers; the first one has the focus when another question follows.
   * @param {HTMLElement[]} beside What is shown beside the question.
   */
  constructor(title, link, buttons, ...beside) {
    this.link = element("a", { href: link });
    this.#buttons = buttons;
    this.bar = element("div", { class: "bar" }, ...buttons);
    this.#question = element("div", { class: "question", role: "group", "aria-label": title }, ...beside,
      element("div", {}, this.text, this.more, this.bar));
    this.root = element("div", { class: "asks" }, element("p", { class: "brief" }, this.link), this.#question, this.#said);
  }

  /**
   * Shows whether there is something to ask.
   * @param {string} brief The question where all cameras are shown; empty: there is none.
   * @param {boolean} mayShow
   */
  ask(brief, mayShow) {
    this.root.hidden = !mayShow || (!brief && !this.#said.textContent);
    this.#question.hidden = !brief;
    if (this.link.textContent !== brief) this.link.textContent = brief;
  }

  /** Brings the question up to date. */
  refresh() {}

  /**
   * Says something below the question.
   * @param {string} text
   */
  say(text, isBad = false) {
    this.#said.textContent = text;
    if (isBad) this.#said.dataset.state = "bad";
    else this.#said.removeAttribute("data-state");
  }

  /** Takes back what was said of the last answer. */
  forget() {
    this.say("");
    this.refresh();
  }

  /** @param {() => Promise<string>} act Returns what is said when it is done. */
  async answer(act) {
    this.#setBusy(true);
    try {
      this.say(await act());
    } catch (error) {
      this.say(`Not done: ${messageOf(error)}`, true);
    }
    this.refresh();
    const isHere = document.activeElement === document.body; // a button that is disabled loses the focus
    if (isHere && this.#question.hidden) this.#said.focus({ preventScroll: true });
    await new Promise((later) => setTimeout(later, PAUSE_MS));
    this.#setBusy(false);
    if (isHere && document.activeElement === document.body) this.#buttons[0].focus({ preventScroll: true });
  }

  /** @param {boolean} busy */
  #setBusy(busy) {
    for (const one of this.#buttons) one.disabled = busy;
  }
}
