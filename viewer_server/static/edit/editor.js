// Edits the zones, lines and masks of one camera: the bar below the picture, the panel beside it, and saving.

/**
 * @import { Definitions, EditedCamera, Kind, Shape, Version } from "../../page"
 */

import { button, byId, element, messageOf } from "../common/dom.js";
import { Refusal } from "../common/rest.js";
import { differences, Draft } from "./draft.js";
import { filterForm } from "./filters.js";
import { formFor } from "./form.js";
import { Overlay } from "./overlay.js";
import { listOf, save } from "./versions.js";
import { advice, nameOf, preview } from "./words.js";

const PREVIEW_MS = 250;

export class Editor {
  #overlay;
  #timer;
  #built = ""; // what the panel was built for
  #stamp = 0; // changes when the panel must be built again although the same shape is selected
  /** @type {{root: HTMLElement, name: HTMLElement, count: HTMLElement}[]} */
  #rows = [];
  #saving = false;
  /** @type {(() => Promise<string>) | null} */
  #then = null; // what follows when the draft is saved; it returns what is said
  #filtersOpen = false;
  #buttons = {
    save: button("Save", () => this.#save(), { class: "button primary" }),
    finish: button("Finish", () => this.#overlay.finish(), { class: "button primary" }),
    turn: button("Turn the arrow", () => this.#turn()),
    delete: button("Delete", () => this.#delete()),
    undo: button("Undo", () => (this.#overlay.tool ? this.#overlay.takeBack() : this.#undo())),
    redo: button("Redo", () => this.#redo()),
    cancel: button("Cancel", () => this.#cancel()),
  };
  #hint = element("p", { class: "hint", role: "status" });
  #notes = element("div", { class: "notes" });
  /** @param {KeyboardEvent} event */
  #listener = (event) => this.#shortcut(event);

  /**
   * @param {EditedCamera} tile
   * @param {() => string[]} classes The classes of the node's model.
   * @param {(said: string) => void} closed Called at the end, with a sentence for people or "".
   */
  constructor(tile, classes, closed) {
    this.tile = tile;
    this.classes = classes;
    this.closed = closed;
    this.draft = new Draft(tile.zones ?? { version: 0, zones: {}, lines: {}, masks: {}, filters: {} });
    this.#overlay = new Overlay(tile.frame, this.draft, () => this.#refresh());
    tile.hidesZones = true;
    tile.repaint();
    tile.tools.replaceChildren(this.#hint, element("div", { class: "bar" }, ...Object.values(this.#buttons)), this.#notes);
    byId("editor").hidden = false;
    this.#timer = setInterval(() => this.#preview(), PREVIEW_MS);
    document.addEventListener("keydown", this.#listener);
    this.#refresh();
  }

  /**
   * Begins to draw one; null stops drawing.
   * @param {Kind | null} tool
   */
  draw(tool) {
    this.#overlay.draw(tool);
    this.#refresh();
  }

  /**
   * Handles the camera's zones message: this editor or somebody else has saved.
   * @param {Version} saved
   */
  zonesSaved(saved) {
    if (this.#saving || saved.version === this.draft.base.version) return;
    if (this.draft.isChanged) this.#showConflict(saved);
    else {
      this.draft.restart(saved);
      this.#redraw();
    }
  }

  /**
   * Shows other definitions, as one step that can be undone.
   * @param {Definitions} definitions
   * @param {string} hint
   * @param {() => Promise<string>} then Called once they are saved; it returns what is said.
   */
  propose(definitions, hint, then) {
    this.draft.replace(definitions);
    this.#then = then;
    this.#redraw();
    this.#hint.textContent = hint;
  }

  /** Whether something was drawn or changed that is not saved. */
  get isUnsaved() {
    return this.draft.isChanged || this.#overlay.corners > 0;
  }

  close(said = "") {
    clearInterval(this.#timer);
    document.removeEventListener("keydown", this.#listener);
    this.#overlay.close();
    this.tile.hidesZones = false;
    this.tile.repaint();
    this.tile.tools.replaceChildren();
    byId("editor").hidden = true;
    this.closed(said);
  }

  #refresh() {
    const { draft } = this;
    const { tool } = this.#overlay;
    const shape = tool ? undefined : draft.shape;
    const { save: keep, finish, turn, delete: remove, undo, redo } = this.#buttons;
    this.#hint.textContent = advice(tool, this.#overlay.corners, shape, !draft.shapes.length);
    keep.hidden = Boolean(tool);
    keep.disabled = this.#saving || !draft.isChanged || draft.problems(this.classes()).some(({ stops }) => stops);
    finish.hidden = !tool || tool === "line";
    finish.textContent = `Finish the ${tool}`;
    finish.disabled = !this.#overlay.canFinish;
    turn.hidden = shape?.kind !== "line";
    remove.hidden = !shape;
    if (shape) remove.setAttribute("aria-label", `Delete ${nameOf(shape)}`);
    undo.disabled = tool ? !this.#overlay.corners : !draft.canUndo;
    redo.hidden = Boolean(tool);
    redo.disabled = !draft.canRedo;
    this.#refreshPanel(shape);
    this.#preview();
  }

  /** @param {Shape | undefined} shape */
  #refreshPanel(shape) {
    const { draft } = this;
    const built = JSON.stringify([draft.selected, draft.shapes.map(({ kind }) => kind), Boolean(shape), this.#stamp, this.tile.canMask, this.tile.canName, this.tile.schedules]);
    if (built !== this.#built) this.#buildPanel(shape);
    this.#built = built;
    this.#rows.forEach((row, index) => {
      row.name.textContent = nameOf(draft.shapes[index]) || "(no name)";
      row.root.setAttribute("aria-pressed", String(index === draft.selected));
    });
    const problems = draft.problems(this.classes()).map(({ text }) => text);
    const list = byId("problems");
    if ([...list.children].map(({ textContent }) => textContent).join() === problems.join()) return; // shown already
    list.replaceChildren(...problems.map((text) => element("li", {}, text)));
  }

  /** @param {Shape | undefined} shape */
  #buildPanel(shape) {
    const { draft } = this;
    const focused = this.#rows.findIndex(({ root }) => root === document.activeElement);
    this.#rows = draft.shapes.map(({ kind }, index) => {
      const name = element("bdi", { class: "name" });
      const count = element("span", { class: "quiet" });
      const root = button("", () => this.#overlay.select(index), { class: "row-button", "data-kind": kind });
      root.append(name, count);
      return { root, name, count };
    });
    const earlier = button("Earlier versions", () => this.#listVersions(earlier));
    byId("editor").replaceChildren(
      element("h2", {}, "Edit zones, lines and masks"),
      element("div", { class: "bar" }, button("Draw a line", () => this.draw("line")), button("Draw a zone", () => this.draw("zone")),
        ...(this.tile.canMask ? [button("Draw a mask", () => this.draw("mask"))] : [])),
      element("div", { class: "rows" }, ...this.#rows.map(({ root }) => root)),
      ...(shape ? [formFor(draft, this.classes(), () => this.#refresh(), this.tile.canName, this.tile.schedules)] : []),
      ...(this.tile.canMask ? [this.#filters()] : []),
      element("div", { role: "status" }, element("ul", { id: "problems", class: "problems" })),
      element("p", { class: "quiet" }, "A changed zone or line starts counting anew; the others keep their counts. " +
        "A mask keeps what is in it from being reported; its pixels stay visible."),
      earlier,
    );
    this.#rows[focused]?.root.focus();
  }

  #filters() {
    const names = Object.keys(this.draft.filters);
    const details = element("details", { class: "form" }, element("summary", {}, `Filters by size, shape and score: ${names.join(", ") || "none"}`),
      filterForm(this.draft, this.classes(), () => this.#refresh(), () => this.#redraw()));
    details.open = this.#filtersOpen;
    details.addEventListener("toggle", () => { this.#filtersOpen = details.open; });
    return details;
  }

  #preview() {
    const texts = this.draft.shapes.map((shape) => preview(shape, this.tile.tracks));
    this.#overlay.label(texts);
    const dropped = this.tile.tracks.dropped(this.draft.filters);
    for (const note of /** @type {NodeListOf<HTMLElement>} */ (byId("editor").querySelectorAll("[data-filter]"))) {
      const text = `drops ${dropped[note.dataset.filter ?? ""] ?? 0} now`;
      if (note.textContent !== text) note.textContent = text;
    }
    this.#rows.forEach(({ count }, index) => {
      if (count.textContent !== texts[index]) count.textContent = texts[index];
    });
  }

  #turn() {
    this.draft.editShape(({ points }) => points.reverse());
    this.#redraw();
  }

  #delete() {
    this.draft.remove(this.draft.selected);
    this.#redraw();
  }

  #undo() {
    this.draft.undo();
    this.#redraw();
  }

  #redo() {
    this.draft.redo();
    this.#redraw();
  }

  #redraw() {
    this.#stamp += 1;
    this.#overlay.render();
    this.#refresh();
  }

  #cancel() {
    if (this.#overlay.tool && this.draft.isChanged) this.draw(null);
    else this.close();
  }

  /** @param {KeyboardEvent} event */
  #shortcut(event) {
    if (event.key === "Escape") { // never drops a drawing
      if (this.#overlay.tool || !this.draft.isChanged) this.#cancel();
      return;
    }
    const isTyping = event.target instanceof Element && event.target.matches("input, select");
    if (!(event.ctrlKey || event.metaKey) || isTyping || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) this.#redo();
    else this.#undo();
  }

  async #save() {
    if (this.#hasInvalid()) return;
    this.#setSaving(true);
    try {
      const saved = await save(this.tile, this.draft.definitions, this.draft.base.version);
      const more = await this.#then?.().catch((error) => `But the view is not accepted: ${messageOf(error)}.`);
      this.close([`Saved as version ${saved.version}.`, more ?? "", ...saved.warnings.map((text) => `Warning: ${text}.`)].filter(Boolean).join(" "));
    } catch (error) {
      this.#setSaving(false);
      this.#say("bad", "Not saved", messageOf(error));
      const { zones } = this.tile;
      // The message with the other version may come later: then `zonesSaved` shows the conflict.
      if (error instanceof Refusal && error.status === 409 && zones) this.zonesSaved(zones);
    }
  }

  /** Whether a number is not valid; the browser then shows it, and says why. */
  #hasInvalid() {
    const input = byId("editor").querySelector(".field:not([hidden]) > input:invalid");
    if (!(input instanceof HTMLInputElement)) return false;
    input.closest("details")?.setAttribute("open", "");
    return !input.reportValidity();
  }

  /** @param {boolean} saving */
  #setSaving(saving) {
    this.#saving = saving;
    this.#buttons.save.textContent = saving ? "Saving…" : "Save";
    this.#refresh();
  }

  /** @param {Version} theirs */
  #showConflict(theirs) {
    const { added, changed, removed } = differences(this.draft.base, theirs);
    /** @param {string} what @param {string[]} names */
    const list = (what, names) => (names.length ? [`${what}: ${names.join(", ")}.`] : []);
    const said = [...list("Added", added), ...list("Changed", changed), ...list("Removed", removed)];
    const same = "Its zones, lines, masks and filters are the ones you started from.";
    this.#say("wait", `Somebody else saved version ${theirs.version} meanwhile`, said.join(" ") || same,
      button("Take theirs", () => this.close(`Version ${theirs.version} is shown; your changes were dropped.`)),
      button("Overwrite with mine", () => this.#overwrite(theirs)));
  }

  /** @param {Version} theirs */
  #overwrite(theirs) {
    this.#notes.replaceChildren();
    this.draft.rebase(theirs);
    this.#save();
  }

  /**
   * @param {"bad" | "wait"} state
   * @param {string} title
   * @param {string} text
   * @param {...HTMLElement} buttons
   */
  #say(state, title, text, ...buttons) {
    const note = element("div", { class: "note", role: "alert", "data-state": state },
      element("strong", {}, title), element("p", {}, text), ...(buttons.length ? [element("div", { class: "bar" }, ...buttons)] : []));
    this.#notes.replaceChildren(note);
  }

  /** @param {HTMLElement} opener The button that the list replaces. */
  async #listVersions(opener) {
    const list = await listOf(this.tile, (one) => {
      this.draft.replace(one);
      this.#redraw();
      this.#hint.textContent = `This is version ${one.version} again; save to use it.`;
    });
    opener.replaceWith(list);
    list.querySelector("button")?.focus();
  }
}
