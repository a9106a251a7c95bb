// The form of one camera. Passwords go in and never come back.

/**
 * @import { CameraSettingsList, CamerasSaved, CameraTried } from "../../wire"
 * @typedef {NonNullable<CameraSettingsList["nodes"][number]["settings"]>} Settings
 * @typedef {Settings["cameras"][string]} Entry
 */

import { buttonById, byId, canvasById, context2d, element, inputById, messageOf, selectById } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { own } from "../common/own.js";
import { askInPlace, Refusal } from "../common/rest.js";

const PROBE_MS = 45_000;
const CONFLICT = 409;
/** @typedef {{source: string, name?: string | null, user?: string, password?: string}} Wanted What a new camera's form begins with. */

export class Editor {
  #settingsOf;
  #schedulesOf;
  #called;
  #changed;
  #node = "";
  #version = 0;
  #conflict = false;
  #tries = 0;
  /** @type {Element | null} */
  #opener = null;
  #before = "";

  /**
   * @param {(node: string) => Settings | null} settingsOf The newest settings of a node's cameras.
   * @param {(node: string) => Record<string, string | null> | null} schedulesOf Names of a node's schedules; null: it knows none.
   * @param {(node: string) => string} called What people call a node.
   * @param {() => void} changed Called when something was saved.
   */
  constructor(settingsOf, schedulesOf, called, changed) {
    this.#settingsOf = settingsOf;
    this.#schedulesOf = schedulesOf;
    this.#called = called;
    this.#changed = changed;
    const form = /** @type {HTMLFormElement} */ (byId("edit"));
    form.addEventListener("submit", (event) => { event.preventDefault(); void this.#save(); });
    byId("try").addEventListener("click", () => { if (form.reportValidity()) void this.#try(); });
    byId("cancel").addEventListener("click", () => this.close());
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    addEventListener("beforeunload", (event) => { if (!byId("editor").hidden && this.#text() !== this.#before) event.preventDefault(); });
  }

  /**
   * @param {string} node
   * @param {string} camera Empty for a new one.
   * @param {Entry | null} entry Null for a new one.
   * @param {Wanted} wanted
   */
  open(node, camera = "", entry = null, wanted = { source: "" }) {
    this.#opener = document.activeElement;
    this.#node = node;
    this.#version = this.#settingsOf(node)?.version ?? 0;
    this.#conflict = false;
    byId("editor-title").textContent = entry ? `Camera ${isolated(entry.name ?? camera)} of ${this.#called(node)}`
      : `New camera of ${this.#called(node)}`;
    const all = { detect_every: 1, max_fps: 0, transport: "auto", reader: "auto", name: "", ...entry, ...wanted.source ? wanted : {} };
    const values = { camera, name: all.name ?? "", source: all.source ?? "", user: wanted.user ?? "", password: wanted.password ?? "",
      detect_every: String(all.detect_every), max_fps: String(all.max_fps) };
    for (const [id, value] of Object.entries(values)) inputById(id).value = value;
    this.#offerSchedules(node, entry?.schedule ?? null);
    selectById("transport").value = all.transport;
    selectById("reader").value = all.reader;
    inputById("camera").readOnly = entry !== null;
    byId("login").textContent = entry?.login
      ? "The node has a user and a password for this address. Leave both empty to keep them; another host needs them anew."
      : "User and password can be left empty. What you enter is stored on the node and never shown again.";
    this.#said("");
    this.#before = this.#text();
    byId("editor").hidden = false;
    byId("editor-title").focus();
    byId("editor").scrollIntoView({ block: "nearest" });
  }

  close() {
    this.#tries += 1;
    byId("editor").hidden = true;
    inputById("password").value = "";
    const key = this.#opener?.getAttribute("data-key");
    /** @type {HTMLElement} */ ((key && document.querySelector(`[data-key="${CSS.escape(key)}"]`)) || byId("content")).focus();
  }

  /**
   * Sends changes to a node and says what came of it.
   * @param {string} node
   * @param {Record<string, object | null>} cameras
   * @param {HTMLElement} note
   * @param {number} version
   * @returns {Promise<boolean>} Whether they were saved.
   */
  async send(node, cameras, note, version = this.#settingsOf(node)?.version ?? 0) {
    try {
      /** @type {CamerasSaved} */
      const { restarts } = await askInPlace(`cameras/${node}`, { version, cameras });
      note.textContent = restarts ? "Saved. The node starts again to use it; its pictures are back in some seconds." : "Saved.";
      this.#changed();
      return true;
    } catch (error) {
      note.textContent = messageOf(error);
      if (error instanceof Refusal && error.status === CONFLICT) {
        this.#conflict = true;
        note.textContent += ". Look at the list, and save again if your change is still right.";
        this.#changed();
      }
      return false;
    }
  }

  /** The schedules to choose from; an older node knows none. @param {string} node @param {string | null} chosen */
  #offerSchedules(node, chosen) {
    const schedules = this.#schedulesOf(node);
    const gone = chosen && !(chosen in (schedules ?? {})) ? [element("option", { value: chosen }, `${chosen}, which is not defined`)] : [];
    selectById("schedule").replaceChildren(element("option", { value: "" }, "always"), ...gone,
      ...Object.entries(schedules ?? {}).map(([id, name]) => element("option", { value: id }, isolated(name ?? id))));
    selectById("schedule").value = chosen ?? "";
    byId("analysed").hidden = schedules === null;
  }

  #change() {
    const text = (/** @type {string} */ id) => inputById(id).value.trim();
    return {
      name: text("name") || null, source: text("source"), user: text("user") || null, password: inputById("password").value || null,
      detect_every: Number(text("detect_every")), max_fps: Number(text("max_fps")),
      transport: selectById("transport").value, reader: selectById("reader").value,
      ...byId("analysed").hidden ? {} : { schedule: selectById("schedule").value || null },
    };
  }

  #text() {
    return JSON.stringify([inputById("camera").value, this.#change()]);
  }

  async #save() {
    const camera = inputById("camera").value;
    if (!inputById("camera").readOnly && own(this.#settingsOf(this.#node)?.cameras, camera)) {
      return this.#said(`There is a camera ${camera} already: choose another identifier.`);
    }
    // Whoever saves again after a conflict has seen what the others did.
    const version = this.#conflict ? undefined : this.#version;
    buttonById("save").disabled = true;
    const saved = await this.send(this.#node, { [camera]: this.#change() }, byId("said"), version);
    buttonById("save").disabled = false;
    if (!saved) return;
    byId("note").textContent = byId("said").textContent;
    this.close();
  }

  async #try() {
    const number = ++this.#tries;
    this.#said("The node opens it. This takes a few seconds.");
    buttonById("try").disabled = true;
    try {
      const body = { cameras: { [inputById("camera").value]: this.#change() } };
      /** @type {CameraTried} */
      const seen = await askInPlace(`cameras/${this.#node}/probe`, body, PROBE_MS);
      if (number !== this.#tries) return;
      const rate = seen.fps === null ? "" : `, ${seen.fps} frames a second`;
      this.#said(`It works: ${seen.codec ?? "video"}, ${seen.width}x${seen.height}${rate}; the first picture came after ${seen.first_s} s.`);
      const jpeg = Uint8Array.from(atob(seen.jpeg_base64), (letter) => letter.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      const canvas = canvasById("seen"); // the page's policy allows no pictures from elsewhere, not even from itself
      [canvas.width, canvas.height, canvas.hidden] = [picture.width, picture.height, false];
      context2d(canvas).drawImage(picture, 0, 0);
    } catch (error) {
      if (number === this.#tries) this.#said(messageOf(error));
    } finally {
      buttonById("try").disabled = false;
    }
  }

  /** @param {string} text */
  #said(text) {
    byId("said").textContent = text;
    byId("seen").hidden = true;
  }
}
