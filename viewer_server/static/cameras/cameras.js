// The page of cameras: what each node has, and forms to add, change, remove, try and find them.

/**
 * @import { CameraSettingsList } from "../../wire"
 * @import { Entry } from "./editor.js"
 * @typedef {CameraSettingsList["nodes"][number]} NodeCameras
 */

import { button, byId, element } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { own } from "../common/own.js";
import { heading, NodeCards } from "../lists/nodes.js";
import { Editor } from "./editor.js";
import { Search } from "./search.js";

const PICTURE_MS = 6000;
const WHERE = { configuration: "from the node's configuration", changed: "configuration, changed here", added: "added here" };

class CamerasPage {
  #seenAt = 0;
  #editor = new Editor((node) => this.#nodes.get(node)?.settings ?? null, (node) => this.#nodes.get(node)?.schedules ?? null,
    (node) => this.#called(node), () => this.#nodes.refresh());
  #search = new Search((node) => this.#called(node), (node, camera, wanted) => this.#editor.open(node, camera, null, wanted));
  /** @type {NodeCards<CameraSettingsList>} */
  #nodes = new NodeCards({
    path: "cameras/settings",
    seen: (nodes) => nodes.map(({ settings, ...node }) => [node, settings?.version, settings?.cameras, settings?.why_not]),
    card: (node) => this.#card(node),
    made: (isNew) => this.#freshen(isNew),
  });

  /** What people call a node, as text. @param {string} node */
  #called(node) {
    return isolated(this.#nodes.get(node)?.name ?? node);
  }

  /** Looks for fresh pictures every so often. @param {boolean} isNew Whether they have just been loaded. */
  #freshen(isNew) {
    if (!isNew && Date.now() - this.#seenAt < PICTURE_MS) return;
    this.#seenAt = Date.now();
    if (!isNew) /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-picture]")).forEach(freshen);
  }

  /** @param {NodeCameras} about */
  #card(about) {
    const { node, online, settings } = about;
    /** @type {HTMLElement[]} */
    const parts = [heading(about)];
    if (!settings) parts.push(element("p", { class: "quiet" }, "This node is of a version whose cameras can be changed in its configuration only."));
    else if (settings.why_not) parts.push(element("p", { class: "quiet" }, `Cameras can be changed in the node's configuration only: ${settings.why_not}.`));
    const may = Boolean(settings && !settings.why_not && online);
    if (may) {
      parts.push(element("div", { class: "bar" },
        button("Add a camera", () => this.#editor.open(node), { "data-key": `${node}+` }),
        button("Look for cameras", () => this.#search.open(node), { "data-key": `${node}?` })));
    }
    const cameras = Object.entries(settings?.cameras ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    if (may && !cameras.length) parts.push(element("p", {}, "This node waits for its first camera. Look for one, or add one whose address you know."));
    parts.push(element("ul", { class: "cameras", "aria-label": `Cameras of ${node}` }, ...cameras.map(([camera, entry]) => this.#row(node, camera, entry, may))));
    return element("section", { class: "card", "aria-label": `Node ${node}` }, ...parts);
  }

  /** @param {string} node @param {string} camera @param {Entry} entry @param {boolean} may */
  #row(node, camera, entry, may) {
    const about = [entry.source, entry.login ? "with a login" : "", entry.schedule ? `analysed during ${isolated(own(this.#nodes.get(node)?.schedules, entry.schedule) ?? entry.schedule)}` : "", WHERE[entry.origin]].filter(Boolean).join(" · ");
    const text = element("div", {}, element("h3", {}, named(entry.name, camera)), element("p", { class: "quiet" }, about));
    const key = `${node}/${camera}`;
    const undoing = entry.origin === "changed";
    const tools = may ? [
      button("Change", () => this.#editor.open(node, camera, entry), { "data-key": `${key} change`, "aria-label": `Change ${camera}` }),
      ...entry.origin === "configuration" ? [] : [button(undoing ? "Undo changes" : "Remove", () => this.#remove(node, camera, entry),
        { "data-key": `${key} remove`, "aria-label": `${undoing ? "Undo changes of" : "Remove"} ${camera}` })],
    ] : [];
    return element("li", { "data-camera": key }, picture(node, camera), text, element("div", { class: "bar" }, ...tools));
  }

  /** @param {string} node @param {string} camera @param {Entry} entry */
  async #remove(node, camera, { name, origin }) {
    const shown = isolated(name ?? camera);
    const asked = origin === "changed" ? `Use the configuration's settings of ${shown} again?`
      : `Remove ${shown}? Its zones and its history stay stored, but nothing watches it any more.`;
    if (!confirm(asked)) return;
    await this.#editor.send(node, { [camera]: null }, byId("note"));
  }
}

/** A place for the newest picture of a camera. @param {string} node @param {string} camera */
function picture(node, camera) {
  const place = element("div", { class: "shot", "data-picture": `api/v1/cameras/${node}/${camera}/picture` });
  freshen(place);
  return place;
}

/** Shows the newest picture once it has come; until then, what is there stays. @param {HTMLElement} place */
function freshen(place) {
  const shown = element("img", { src: `${place.dataset.picture}#${Date.now()}`, alt: "" }); // the fragment makes it another picture
  shown.addEventListener("load", () => place.replaceChildren(shown));
}

new CamerasPage();
