// What is wrong with a camera's picture, below it: since when, what it means, and what can be done.

/**
 * @import { Version } from "../../page"
 * @import { CameraProblem, Health, NodeStatus } from "../../wire"
 * @typedef {{
 *   readonly node: string, readonly camera: string, readonly isSolo: boolean, readonly hidesZones: boolean,
 *   readonly nodeStatus: NodeStatus | null | undefined, readonly zones: Version | undefined, readonly canAccept: boolean,
 * }} WatchedCamera What the notice needs of the camera.
 */

import { button, element, messageOf } from "../common/dom.js";
import { askInPlace } from "../common/rest.js";
import { reference, sentence, short } from "./words.js";

/**
 * Says to a node that a camera's view is right as it is.
 * @param {{node: string, camera: string}} camera
 */
export const accept = ({ node, camera }) => askInPlace(`cameras/${encodeURIComponent(node)}/${encodeURIComponent(camera)}/accept`, {});

export class HealthNotice {
  /** @type {Health | null} */
  #health = null;
  #link;
  #text = element("div", { class: "wrong" });
  #more = element("p", { class: "quiet" });
  #said = element("p", { class: "mended", role: "status", tabindex: -1 });
  #buttons = {
    back: button("Put the zones back", () => this.onback?.()),
    right: button("This view is right", () => this.#accept()),
  };
  #bar = element("div", { class: "bar" }, ...Object.values(this.#buttons));
  #question = element("div", { class: "question", role: "group", "aria-label": "What is wrong with the picture" },
    element("div", {}, this.#text, this.#more, this.#bar));
  /** Beside the camera's state. */
  mark = element("span", { class: "health", "data-state": "bad", hidden: "" });
  /** @type {(() => void) | undefined} Called when the zones are to be put back. */
  onback = undefined;
  root;

  /**
   * @param {WatchedCamera} tile
   * @param {string} link The address of the camera's page, where something can be done.
   */
  constructor(tile, link) {
    this.tile = tile;
    this.#link = element("a", { href: link });
    this.root = element("div", { class: "asks", hidden: "" }, element("p", { class: "brief" }, this.#link), this.#question, this.#said);
  }

  /** @param {Health | null} health */
  set(health) {
    if (health && !health.problems.length && this.#problems.length) this.#said.textContent = "The picture is right again.";
    this.#health = health;
    this.refresh();
  }

  /** What is wrong now: nothing that an earlier run of the node has left behind. */
  get #problems() {
    const { status, session } = this.tile.nodeStatus ?? {};
    return this.#health && status === "online" && session === this.#health.session ? this.#health.problems : [];
  }

  /** How the view has moved; undefined where it has not, or nobody knows how far. */
  get shift() {
    return this.#problems.find(({ problem }) => problem === "moved")?.shift ?? undefined;
  }

  /** Brings the words up to date; called once a second. */
  refresh(now = Date.now()) {
    const problems = this.#problems;
    const names = problems.map(({ problem }) => short(problem)).join(", ");
    this.mark.hidden = !problems.length;
    if (this.mark.textContent !== names) this.mark.textContent = names;
    this.root.hidden = (!problems.length && !this.#said.textContent) || this.tile.hidesZones; // an editor has the definitions
    this.#question.hidden = !problems.length;
    if (!problems.length || !this.#health) return this.#link.replaceChildren();
    this.#link.textContent = `The picture cannot be trusted: ${names}${this.#health.paused ? ". Zones do not count" : ""}`;
    this.#tell(problems, this.#health, now);
    const { zones, lines, masks } = this.tile.zones ?? { zones: {}, lines: {}, masks: {} };
    const hasMoved = problems.some(({ problem }) => problem === "moved");
    this.#bar.hidden = !this.tile.canAccept;
    this.#buttons.back.hidden = !this.shift || !Object.keys({ ...zones, ...lines, ...masks }).length;
    this.#more.textContent = hasMoved ? `${reference(this.#health)} Is this the view that you want?`.trim()
      : "When it is as it should be, say that this view is right: the node compares with it from then on.";
    this.#more.hidden = !this.tile.canAccept;
  }

  /** @param {CameraProblem[]} problems @param {Health} health @param {number} now */
  #tell(problems, health, now) {
    const texts = problems.map((one) => sentence(one, health, now));
    if ([...this.#text.children].map(({ textContent }) => textContent).join() === texts.join()) return; // so that it can be selected
    this.#text.replaceChildren(...texts.map((text) => element("p", {}, text)));
  }

  async #accept() {
    for (const one of Object.values(this.#buttons)) one.disabled = true;
    try {
      await accept(this.tile);
      this.#said.removeAttribute("data-state");
      this.#said.textContent = "The node takes this view for the right one.";
    } catch (error) {
      this.#said.dataset.state = "bad";
      this.#said.textContent = `Not done: ${messageOf(error)}`;
    }
    this.refresh();
    for (const one of Object.values(this.#buttons)) one.disabled = false;
    if (this.#question.hidden) this.#said.focus({ preventScroll: true });
    else this.#buttons.right.focus({ preventScroll: true });
  }

  /** Takes back what was said of the last answer. */
  forget() {
    this.#said.textContent = "";
    this.refresh();
  }
}
