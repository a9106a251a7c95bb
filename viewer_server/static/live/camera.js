// The page of one camera: the same tile, larger, with tools to hold the picture and to draw on it.

import { button, element } from "../common/dom.js";
import { Editor } from "../edit/editor.js";
import { inspect } from "./inspect.js";
import { toggles } from "./options.js";

export class CameraPage {
  #editor = null;
  tile = null;

  /** @param {(node: string) => string[]} classesOf What a node's model knows. */
  constructor(classesOf) {
    this.classesOf = classesOf;
  }

  /** Show a camera; `tool` ("line" or "zone") begins to draw. */
  open(tile, tool) {
    if (this.tile !== tile) {
      this.close();
      this.tile = tile;
      tile.root.classList.add("solo");
      tile.onpick = (object) => object && this.#select(object.track_id);
      this.#showTools();
    }
    if (tool) this.edit(tool);
  }

  close() {
    if (!this.tile) return;
    this.#editor?.close();
    this.#resume();
    this.tile.root.classList.remove("solo");
    this.tile.tools.replaceChildren();
    this.tile.onpick = undefined;
    this.tile = null;
  }

  /** Whether something is being drawn there, which a viewer that has just started must not make us drop. */
  holds(tile) {
    return tile === this.tile && this.#editor !== null;
  }

  /** Whether leaving would drop a drawing. */
  get isUnsaved() {
    return this.#editor?.isUnsaved ?? false;
  }

  edit(tool) {
    this.#resume();
    this.#editor ??= new Editor(this.tile, () => this.classesOf(this.tile.node), (said) => this.#edited(said));
    if (tool) this.#editor.draw(tool);
  }

  /** The camera's zones message came. */
  zonesChanged(tile) {
    if (tile === this.tile && tile.zones) this.#editor?.inForce(tile.zones);
  }

  #edited(said) {
    this.#editor = null;
    if (!this.tile.root.classList.contains("solo")) return;
    this.#showTools(said);
    this.tile.tools.querySelector("button").focus({ preventScroll: true });
  }

  #showTools(said = "") {
    const { tile } = this;
    this.pauseButton = button("Pause", () => (tile.paused ? this.#resume() : this.#pause()));
    tile.tools.replaceChildren(
      element("div", { class: "bar" },
        button("Draw a counting line", () => this.edit("line"), { class: "button primary" }),
        button("Draw a zone", () => this.edit("zone")),
        button("Edit zones and lines", () => this.edit()),
        this.pauseButton,
        toggles(() => tile.repaint())),
      element("p", { class: "said", role: "status" }, said),
    );
  }

  #pause() {
    this.tile.pause(true);
    this.pauseButton.textContent = "Back to live";
    inspect(this.tile, (id) => this.#select(id));
  }

  #resume() {
    this.tile.selected = null;
    this.tile.pause(false);
    if (this.pauseButton) this.pauseButton.textContent = "Pause";
    inspect(this.tile, () => {});
  }

  #select(id) {
    if (this.#editor) return;
    this.tile.selected = id;
    this.tile.repaint();
    if (!this.tile.paused) this.#pause();
    inspect(this.tile, (other) => this.#select(other));
  }
}
