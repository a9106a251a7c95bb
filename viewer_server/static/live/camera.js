// The page of one camera: the same tile, larger, with tools to hold the picture and to draw on it.

/**
 * @import { Kind } from "../../page"
 * @import { Editor } from "../edit/editor.js"
 * @import { Tile } from "./tile.js"
 */

import { button, element, messageOf } from "../common/dom.js";
import { toggles } from "../picture/options.js";
import { showIgnored } from "./ignored.js";

/** @param {Parameters<typeof import("./inspect.js").inspect>} given */
const inspect = async (...given) => (await import("./inspect.js")).inspect(...given); // loaded when needed

/** @type {typeof import("../edit/editor.js") | null} */
let editing = null; // the page of all cameras does without

export class CameraPage {
  /** @type {Editor | null} */
  #editor = null;
  /** @type {Tile | null} */
  tile = null;
  #maskButton = button("Draw a mask", () => this.edit("mask"));
  #editButtons = [
    button("Draw a counting line", () => this.edit("line"), { class: "button primary" }),
    button("Draw a zone", () => this.edit("zone")),
    this.#maskButton,
    button("Edit zones, lines and masks", () => this.edit()),
  ];

  #toggles = toggles(() => this.tile?.repaint());
  #pauseButton = button("Pause", () => (this.tile?.paused ? this.#resume() : this.#pause()));

  /** @param {(node: string) => string[]} classesOf The classes of a node's model. */
  constructor(classesOf) {
    this.classesOf = classesOf;
  }

  /**
   * Shows a camera.
   * @param {Tile} tile
   * @param {Kind} [tool] Begins to draw one.
   */
  open(tile, tool) {
    if (this.tile !== tile) {
      this.close();
      this.tile = tile;
      tile.root.classList.add("solo");
      tile.onback = () => this.#putBack(tile);
      tile.onpick = (object) => object && this.#select(object.track_id);
      this.#showTools(tile);
      this.refresh();
      this.#load(tile);
    }
    if (tool) this.edit(tool);
  }

  close() {
    const { tile } = this;
    if (!tile) return;
    this.#editor?.close();
    this.#resume();
    tile.root.classList.remove("solo");
    tile.notices.forget();
    tile.onback = undefined;
    tile.tools.replaceChildren();
    tile.onpick = undefined;
    this.tile = null;
    this.refresh();
  }

  /** Brings what is beside the picture up to date; called once a second. */
  refresh() {
    showIgnored(this.tile);
    this.#maskButton.hidden = !this.tile?.canMask;
    this.#toggles.offer("looks", this.tile?.looks.isKnown ?? false);
  }

  /**
   * Whether a tile is being edited. Such a tile stays even while a restarted viewer does not know its camera yet.
   * @param {Tile} tile
   */
  holds(tile) {
    return tile === this.tile && this.#editor !== null;
  }

  /** Whether leaving would drop a drawing. */
  get isUnsaved() {
    return this.#editor?.isUnsaved ?? false;
  }

  /** @param {Kind} [tool] Begins to draw one. */
  edit(tool) {
    const { tile } = this;
    if (!tile) return;
    if (!editing) {
      this.#load(tile).then(() => editing && tile === this.tile && this.edit(tool));
      return;
    }
    this.#resume();
    this.#editor ??= new editing.Editor(tile, () => this.classesOf(tile.node), (said) => this.#edited(tile, said));
    if (tool) this.#editor.draw(tool);
  }

  /**
   * Loads the editor. Nobody can press its buttons until it is there, so no key that is pressed next is lost.
   * @param {Tile} tile
   */
  async #load(tile) {
    this.#enable(Boolean(editing));
    try {
      editing ??= await import("../edit/editor.js");
    } catch (error) {
      if (tile === this.tile) this.#showTools(tile, `The editor cannot be loaded: ${messageOf(error)}`);
    }
    this.#enable(true);
  }

  /** @param {boolean} enabled */
  #enable(enabled) {
    for (const one of this.#editButtons) one.disabled = !enabled;
  }

  /**
   * Notes that a camera's zones message has arrived.
   * @param {Tile} tile
   */
  zonesChanged(tile) {
    if (tile !== this.tile) return;
    this.refresh();
    if (tile.zones) this.#editor?.zonesSaved(tile.zones);
  }

  /**
   * Shows where zones, lines and masks would be if they moved as the view has: they are looked at before they are saved.
   * @param {Tile} tile
   */
  async #putBack(tile) {
    const { shift } = tile.notices;
    if (!shift || !tile.zones) return;
    const [{ putBack }, { accept }] = await Promise.all([import("../health/back.js"), import("../notices/health.js"), this.#load(tile)]);
    if (tile !== this.tile || !tile.zones) return;
    this.edit();
    this.#editor?.propose(putBack(tile.zones, shift, tile.aspect), "Here they would be on the new view. Drag what is not right, then save: " +
      "the node then takes this view for the right one.", () => accept(tile));
  }

  /** @param {Tile} tile @param {string} said */
  #edited(tile, said) {
    this.#editor = null;
    if (!tile.isSolo) return;
    this.#showTools(tile, said);
    tile.tools.querySelector("button")?.focus({ preventScroll: true });
  }

  /** @param {Tile} tile */
  #showTools(tile, said = "") {
    tile.tools.replaceChildren(
      element("div", { class: "bar" },
        ...this.#editButtons,
        this.#pauseButton,
        this.#toggles.root),
      element("p", { class: "said", role: "status" }, said),
    );
  }

  #pause() {
    const { tile } = this;
    if (!tile) return;
    tile.pause(true);
    this.#pauseButton.textContent = "Back to live";
    inspect(tile, (id) => this.#select(id));
  }

  #resume() {
    const { tile } = this;
    if (!tile) return;
    tile.selected = null;
    tile.pause(false);
    this.#pauseButton.textContent = "Pause";
    inspect(tile, () => {});
  }

  /** @param {number} id Of a track. */
  #select(id) {
    const { tile } = this;
    if (this.#editor || !tile) return;
    tile.selected = id;
    tile.repaint();
    if (!tile.paused) this.#pause();
    else inspect(tile, (other) => this.#select(other));
  }
}
