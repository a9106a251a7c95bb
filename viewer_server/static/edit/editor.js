// Editing the zones and lines of one camera: the bar below the picture, the panel beside it, and saving.

import { button, byId, element } from "../common/dom.js";
import { differences, Draft } from "./draft.js";
import { formFor } from "./form.js";
import { time } from "../common/format.js";
import { Overlay } from "./overlay.js";
import { send } from "../common/post.js";

const PREVIEW_MS = 250;

export class Editor {
  #overlay;
  #timer;
  #built = ""; // what the panel was built for
  #stamp = 0; // changes when the fields show what is not so any more
  #rows = [];
  #saving = false;
  #theirs = null; // a version that somebody else saved meanwhile

  /**
   * @param {Tile} tile
   * @param {() => string[]} classes What the node's model knows.
   * @param {(said: string) => void} closed Called at the end, with what there is to say.
   */
  constructor(tile, classes, closed) {
    Object.assign(this, { tile, classes, closed });
    const { version, zones, lines } = tile.zones ?? { version: 0, zones: {}, lines: {} };
    this.draft = new Draft({ version, zones, lines });
    this.#overlay = new Overlay(tile.frame, this.draft, () => this.#refresh());
    tile.hidesZones = true;
    tile.repaint();
    this.#buildBar();
    this.#timer = setInterval(() => this.#preview(), PREVIEW_MS);
    this.shortcut = (event) => this.#shortcut(event);
    document.addEventListener("keydown", this.shortcut);
    this.#refresh();
  }

  /** Begin to draw a "line" or a "zone". */
  draw(tool) {
    this.#overlay.draw(tool);
    this.#refresh();
  }

  select(name) {
    this.#overlay.select(this.draft.shapes.findIndex((shape) => shape.name === name));
  }

  /** A zones message came: somebody saved, maybe somebody else. */
  inForce(zones) {
    if (this.#saving || zones.version === this.draft.base.version) return;
    if (this.draft.isChanged) this.#conflict(zones);
    else {
      this.draft.restart(zones);
      this.#redraw();
    }
  }

  /** Whether something was drawn or changed that is not in force yet. */
  get isUnsaved() {
    return this.draft.isChanged || this.#overlay.corners > 0;
  }

  close(said = "") {
    clearInterval(this.#timer);
    document.removeEventListener("keydown", this.shortcut);
    this.#overlay.close();
    this.tile.hidesZones = false;
    this.tile.repaint();
    this.tile.tools.replaceChildren();
    byId("editor").hidden = true;
    this.closed(said);
  }

  #buildBar() {
    this.hint = element("p", { class: "hint", role: "status" });
    this.notes = element("div", { class: "notes" });
    const make = (text, pressed, more = {}) => button(text, pressed, more);
    this.saveButton = make("Save", () => this.#save(), { class: "button primary" });
    this.finishButton = make("Finish the zone", () => this.#overlay.finish(), { class: "button primary" });
    this.turnButton = make("Turn the arrow", () => this.#turn());
    this.deleteButton = make("Delete", () => this.#delete());
    this.undoButton = make("Undo", () => (this.#overlay.tool ? this.#overlay.takeBack() : this.#step("undo")));
    this.redoButton = make("Redo", () => this.#step("redo"));
    this.cancelButton = make("Cancel", () => this.#cancel());
    const bar = element("div", { class: "bar" }, this.saveButton, this.finishButton, this.turnButton, this.deleteButton,
      this.undoButton, this.redoButton, this.cancelButton);
    this.tile.tools.replaceChildren(this.hint, bar, this.notes);
    byId("editor").hidden = false;
  }

  #refresh() {
    const { draft } = this;
    const { tool } = this.#overlay;
    const shape = tool ? undefined : draft.shape;
    this.hint.textContent = this.#advice(tool, shape);
    this.saveButton.hidden = Boolean(tool);
    this.saveButton.disabled = this.#saving || !draft.isChanged || draft.problems(this.classes()).some(({ stops }) => stops);
    this.finishButton.hidden = tool !== "zone";
    this.finishButton.disabled = !this.#overlay.canFinish;
    this.turnButton.hidden = shape?.kind !== "line";
    this.deleteButton.hidden = !shape;
    if (shape) this.deleteButton.setAttribute("aria-label", `Delete ${shape.name}`);
    this.undoButton.disabled = tool ? !this.#overlay.corners : !draft.canUndo;
    this.redoButton.hidden = Boolean(tool);
    this.redoButton.disabled = !draft.canRedo;
    this.#refreshPanel(shape);
    this.#preview();
  }

  #advice(tool, shape) {
    const { corners } = this.#overlay;
    const click = matchMedia("(pointer: coarse)").matches ? "Tap" : "Click";
    if (tool === "line") return `${click} where the line ${corners ? "ends" : "starts"}.`;
    if (tool === "zone") return corners < 3 ? `${click} corner ${corners + 1} of the zone.` : `${click} more corners, or finish the zone.`;
    if (shape?.kind === "line") return "Who crosses along the arrow counts as in. Drag the ends to move them, then save.";
    if (shape) return "Drag the corners or all of it; drag a small dot for another corner. Then save.";
    return this.draft.shapes.length ? "Select a zone or line to change it." : "Nothing is drawn yet.";
  }

  #refreshPanel(shape) {
    const { draft } = this;
    const built = JSON.stringify([draft.selected, draft.shapes.map(({ kind }) => kind), Boolean(shape), this.#stamp]);
    if (built !== this.#built) this.#buildPanel(shape);
    this.#built = built;
    this.#rows.forEach((row, index) => {
      row.name.textContent = draft.shapes[index].name || "(no name)";
      row.root.setAttribute("aria-pressed", index === draft.selected);
    });
    const problems = draft.problems(this.classes()).map(({ text }) => text);
    const list = byId("problems");
    if ([...list.children].map(({ textContent }) => textContent).join() === problems.join()) return; // said already
    list.replaceChildren(...problems.map((text) => element("li", {}, text)));
  }

  #buildPanel(shape) {
    const { draft } = this;
    const focused = this.#rows.findIndex(({ root }) => root === document.activeElement);
    this.#rows = draft.shapes.map(({ kind }, index) => {
      const name = element("span", { class: "name" });
      const count = element("span", { class: "quiet" });
      const root = button("", () => this.#overlay.select(index), { class: "row-button", "data-kind": kind });
      root.append(name, count);
      return { root, name, count };
    });
    const draw = (tool, text) => button(text, () => this.draw(tool));
    byId("editor").replaceChildren(
      element("h2", {}, "Edit zones and lines"),
      element("div", { class: "bar" }, draw("line", "Draw a line"), draw("zone", "Draw a zone")),
      element("div", { class: "rows" }, ...this.#rows.map(({ root }) => root)),
      ...(shape ? [formFor(draft, this.classes(), () => this.#refresh())] : []),
      element("div", { role: "status" }, element("ul", { id: "problems", class: "problems" })),
      element("p", { class: "quiet" }, "A zone or line that is changed starts counting anew; the others go on."),
      button("Earlier versions", (event) => this.#listVersions(event.target)),
    );
    this.#rows[focused]?.root.focus();
  }

  #preview() {
    const { tracks } = this.tile;
    const texts = this.draft.shapes.map(({ kind, points, more }) => {
      if (kind === "zone") return `${tracks.inside(points, more.anchor, more.classes ?? [])} inside now`;
      const found = tracks.crossings(points, more.anchor, more.classes ?? []);
      return `${found.in} in, ${found.out} out in ${tracks.overMs / 1000} s`;
    });
    this.#overlay.label(texts);
    this.#rows.forEach(({ count }, index) => {
      if (count.textContent !== texts[index]) count.textContent = texts[index];
    });
  }

  #turn() {
    this.draft.edit(({ shape }) => shape.points.reverse());
    this.#redraw();
  }

  #delete() {
    this.draft.remove(this.draft.selected);
    this.#redraw();
  }

  #step(which) {
    this.draft[which]();
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

  #shortcut(event) {
    if (event.key === "Escape") { // never drops what was drawn
      if (this.#overlay.tool || !this.draft.isChanged) this.#cancel();
      return;
    }
    const isTyping = event.target.matches?.("input, select");
    if (!(event.ctrlKey || event.metaKey) || isTyping || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    this.#step(event.shiftKey ? "redo" : "undo");
  }

  get #url() {
    return `/zones/${encodeURIComponent(this.tile.node)}/${encodeURIComponent(this.tile.camera)}`;
  }

  async #save() {
    this.#saving = true;
    this.saveButton.textContent = "Saving…";
    this.#refresh();
    const [status, answer] = await send("POST", this.#url, { version: this.draft.base.version, ...this.draft.definitions });
    this.saveButton.textContent = "Save";
    if (status === 200) {
      const warnings = answer.warnings ?? [];
      const { zones } = this.tile; // the retained message may come later, or have come already
      if (!(zones?.version >= answer.version)) this.tile.setZones({ ...zones, version: answer.version, ...this.draft.definitions });
      this.close([`Saved as version ${answer.version}.`, ...warnings.map((text) => `Warning: ${text}.`)].join(" "));
    } else if (status === 409 && await this.#news()) this.#conflict(this.tile.zones);
    else this.#say("bad", "Not saved", answer.error ?? "The viewer gave no reason.");
    this.#saving = false;
    if (status !== 200) this.#refresh();
  }

  /** The version that is in force comes by another way than the refusal that tells of it. */
  async #news() {
    for (let turn = 0; turn < 40; turn += 1) {
      if (this.tile.zones && this.tile.zones.version !== this.draft.base.version) return true;
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    return false;
  }

  #conflict(theirs) {
    this.#theirs = theirs;
    const { added, changed, removed } = differences(this.draft.base, theirs);
    const list = (what, names) => (names.length ? [`${what}: ${names.join(", ")}.`] : []);
    const said = [...list("Added", added), ...list("Changed", changed), ...list("Removed", removed)];
    this.#say("wait", `Somebody else saved version ${theirs.version} meanwhile`, said.join(" ") || "It says what yours was made from.",
      button("Take theirs", () => this.#resolve(true)),
      button("Overwrite with mine", () => this.#resolve(false)));
  }

  #resolve(takeTheirs) {
    const { version, zones, lines } = this.#theirs;
    this.notes.replaceChildren();
    this.draft.rebase({ version, zones, lines });
    if (takeTheirs) this.close(`Version ${version} is in force; your changes were dropped.`);
    else this.#save();
  }

  #say(state, title, text, ...buttons) {
    const note = element("div", { class: "note", role: "alert" }, element("strong", {}, title), element("p", {}, text),
      ...(buttons.length ? [element("div", { class: "bar" }, ...buttons)] : []));
    note.dataset.state = state;
    this.notes.replaceChildren(note);
  }

  async #listVersions(opener) {
    const [status, { versions, error }] = await send("GET", `${this.#url}/versions`);
    const list = element("ol", { class: "versions" });
    if (status !== 200) list.append(element("li", {}, error ?? "They cannot be read."));
    for (const one of versions ?? []) {
      const counts = `${Object.keys(one.zones).length} zones, ${Object.keys(one.lines).length} lines`;
      const seen = `${new Date(one.seen_us / 1000).toLocaleDateString()} ${time(one.seen_us / 1000)}`;
      const restore = button(`Version ${one.version}`, () => {
        this.draft.replace(one);
        this.#redraw();
        this.hint.textContent = `This is version ${one.version} again; save to put it in force.`;
      });
      list.append(element("li", {}, restore, element("span", { class: "quiet" }, `${seen} · ${counts}`)));
    }
    opener.replaceWith(list);
    list.querySelector("button")?.focus();
  }
}
