// Looks for cameras from a node, and hands one of their streams to the form.

/** @import { CameraFound, CamerasFound } from "../../wire" @import { Wanted } from "./editor.js" */

import { button, buttonById, byId, element, inputById, messageOf } from "../common/dom.js";
import { askInPlace } from "../common/rest.js";

const LOOK_MS = 45_000;

export class Search {
  #node = "";
  #called;
  #use;

  /**
   * @param {(node: string) => string} called What people call a node.
   * @param {(node: string, camera: string, wanted: Wanted) => void} use Begins a new camera.
   */
  constructor(called, use) {
    this.#called = called;
    this.#use = use;
    byId("look").addEventListener("submit", (event) => { event.preventDefault(); void this.#look(); });
    byId("leave").addEventListener("click", () => this.#close());
    byId("search").addEventListener("keydown", (event) => { if (event.key === "Escape") this.#close(); });
  }

  /** @param {string} node */
  open(node) {
    this.#node = node;
    byId("search-title").textContent = `Cameras that ${this.#called(node)} reaches`;
    byId("found").replaceChildren();
    byId("looked").textContent = "Cameras that speak ONVIF answer. Most name their streams only to a user with a password.";
    byId("search").hidden = false;
    byId("search-title").focus();
  }

  #close() {
    byId("search").hidden = true;
    inputById("look-password").value = "";
    const opener = /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${CSS.escape(`${this.#node}?`)}"]`));
    (opener ?? byId("content")).focus();
  }

  async #look() {
    const [host, user, password] = ["host", "look-user", "look-password"].map((id) => inputById(id).value.trim() || null);
    byId("looked").textContent = "The node asks. This takes a few seconds.";
    buttonById("ask").disabled = true;
    try {
      /** @type {CamerasFound} */
      const { cameras, left_out: more } = await askInPlace(`cameras/${this.#node}/discover`, { host, user, password }, LOOK_MS);
      const said = cameras.length === 1 ? "One camera answers." : `${cameras.length} cameras answer.`;
      byId("looked").textContent = cameras.length === 0
        ? "No camera answers. Is ONVIF switched on, and is the node in the cameras' network?" : more ? `${said} ${more} more are not shown.` : said;
      byId("found").replaceChildren(...cameras.map((one) => this.#item(one, { user: user ?? "", password: password ?? "" })));
    } catch (error) {
      byId("looked").textContent = messageOf(error);
    } finally {
      buttonById("ask").disabled = false;
    }
  }

  /** @param {CameraFound} camera @param {{user: string, password: string}} login */
  #item({ id, title, address, streams, chosen, notes, denied }, login) {
    const rows = streams.map(({ source, profile, codec, width, height, fps }, index) => {
      const about = [profile, codec, width && height ? `${width}x${height}` : null, fps ? `${fps} fps` : null,
        index === chosen ? "suits the detector" : null].filter(Boolean).join(", ");
      const use = button("Use", () => this.#use(this.#node, id, { source, ...login }), { "aria-label": `Use ${title}, ${about}` });
      return element("li", {}, use, element("span", {}, about));
    });
    const told = notes.map((note) => element("p", { class: "quiet" }, `${note}${denied ? "; enter them above and look again" : ""}`));
    return element("li", {}, element("h3", {}, title), element("p", { class: "quiet" }, address), element("ul", {}, ...rows), ...told);
  }
}
