// What is wrong with a camera's picture, below it: since when, what it means, and what can be done.

/**
 * @import { Version } from "../../page"
 * @import { CameraProblem, Health, NodeStatus } from "../../wire"
 * @typedef {{
 *   readonly node: string, readonly camera: string, readonly hidesZones: boolean, readonly nodeStatus: NodeStatus | null | undefined,
 *   readonly zones: Version | undefined, readonly canAccept: boolean, readonly onback: (() => void) | undefined,
 * }} WatchedCamera What the notice needs of the camera.
 */

import { button, element } from "../common/dom.js";
import { askInPlace } from "../common/rest.js";
import { short } from "../health/short.js";
import { reference, sentence } from "../health/words.js";
import { Notice } from "./notice.js";

/**
 * Says to a node that a camera's view is right as it is.
 * @param {{node: string, camera: string}} camera
 */
export async function accept({ node, camera }) {
  await askInPlace(`cameras/${encodeURIComponent(node)}/${encodeURIComponent(camera)}/accept`, {});
  return "The node takes this view for the right one.";
}

export class HealthNotice extends Notice {
  /** @type {Health | null} */
  #health = null;
  #back = button("Put the zones back", () => this.tile.onback?.());
  /** Beside the camera's state. */
  mark = element("span", { class: "health", "data-state": "bad", hidden: "" });

  /**
   * @param {WatchedCamera} tile
   * @param {string} link The address of the camera's page, where something can be done.
   */
  constructor(tile, link) {
    const right = button("This view is right", () => this.answer(() => accept(tile)));
    super("What is wrong with the picture", link, [right]);
    this.bar.prepend(this.#back);
    this.text.className = "wrong";
    this.tile = tile;
  }

  /** @param {Health | null} health */
  set(health) {
    if (health && !health.problems.length && this.#problems.length) this.say("The picture is right again.");
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
    const effect = this.#health?.paused ? ". Zones do not count" : "";
    this.ask(problems.length ? `The picture cannot be trusted: ${names}${effect}` : "", !this.tile.hidesZones);
    if (!problems.length || !this.#health) return;
    this.#tell(problems, this.#health, now);
    const { zones, lines, masks } = this.tile.zones ?? { zones: {}, lines: {}, masks: {} };
    const hasMoved = problems.some(({ problem }) => problem === "moved");
    this.bar.hidden = !this.tile.canAccept;
    this.#back.hidden = !this.shift || !Object.keys({ ...zones, ...lines, ...masks }).length;
    this.more.textContent = hasMoved ? `${reference(this.#health)} Is this the view that you want?`.trim()
      : "When it is as it should be, say that this view is right: the node compares with it from then on.";
    this.more.hidden = !this.tile.canAccept;
  }

  /** @param {CameraProblem[]} problems @param {Health} health @param {number} now */
  #tell(problems, health, now) {
    const texts = problems.map((one) => sentence(one, health, now));
    if ([...this.text.children].map(({ textContent }) => textContent).join() === texts.join()) return; // so that it can be selected
    this.text.replaceChildren(...texts.map((text) => element("p", {}, text)));
  }
}
