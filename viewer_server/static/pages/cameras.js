// The cameras to choose from, by what people call them. Of many, those that are searched for.

/** @import { CameraSummary, ZoneSummary } from "../../wire" */

import { byId, inputById } from "../common/dom.js";
import { isolated } from "../common/names.js";
import { ask } from "../common/rest.js";

const OFFERED = 100; // cameras, at most
const PAUSE_MS = 250; // after the last key

/** A search field beside a choice of cameras. It is there only where there are many. */
export class CameraFinder {
  #isLarge = false;

  /** @param {() => void} changed Called when other cameras are searched for. */
  constructor(changed) {
    let timer = 0;
    inputById("find").addEventListener("input", (event) => {
      event.stopPropagation();
      clearTimeout(timer);
      timer = setTimeout(changed, PAUSE_MS);
    });
    inputById("find").addEventListener("change", (event) => event.stopPropagation()); // it chooses nothing yet
  }

  /**
   * The cameras to offer, the chosen one among them, and its zones and lines; those of all, where cameras are few.
   * @param {string | null} chosen "node/camera"
   * @param {boolean} hasFirst Whether the first camera is chosen where none is.
   * @returns {Promise<{cameras: CameraSummary[], zones: ZoneSummary[]}>}
   */
  async load(chosen, hasFirst) {
    const { cameras, total } = await ask("cameras", { find: inputById("find").value.trim(), limit: OFFERED });
    this.#isLarge ||= total > OFFERED;
    byId("finder").hidden = !this.#isLarge;
    if (!this.#isLarge) return { cameras, zones: (await ask("zones")).zones };
    byId("found").textContent = total > OFFERED ? `The first ${OFFERED} of ${total.toLocaleString("en")}` : `${total} found`;
    const first = hasFirst && cameras.length ? `${cameras[0].node}/${cameras[0].camera}` : "";
    const [node, camera] = (chosen || first).split("/");
    if (!node) return { cameras, zones: [] };
    const [{ zones }, { cameras: own }] = await Promise.all([ask("zones", { node, camera }), ask("cameras", { node })]);
    const isIt = (/** @type {CameraSummary} */ one) => one.node === node && one.camera === camera;
    return { cameras: [...cameras.filter((one) => !isIt(one)), ...own.filter(isIt)], zones };
  }
}

/**
 * Options in the order of their texts. Those that people call the same have their identifier besides.
 * @param {[string, string][]} options Value and text of each.
 * @returns {[string, string][]}
 */
export function distinct(options) {
  /** @type {Map<string, number>} */
  const count = new Map();
  for (const [, text] of options) count.set(text, (count.get(text) ?? 0) + 1);
  const told = options.map(([value, text]) => /** @type {[string, string]} */ ([value, count.get(text) === 1 ? text : `${text} (${value})`]));
  return told.sort((a, b) => a[1].localeCompare(b[1]) || (a[0] < b[0] ? -1 : 1));
}

/**
 * Value ("node/camera") and text of each camera that is known, also of one that only zones of the past name.
 * @param {CameraSummary[]} cameras
 * @param {ZoneSummary[]} zones
 * @returns {[string, string][]}
 */
export function cameraOptions(cameras, zones) {
  const nodes = new Map(cameras.map(({ node, node_name: name }) => [node, name]));
  const names = new Map(cameras.map(({ node, camera, name }) => [`${node}/${camera}`, name]));
  const all = new Map([...zones, ...cameras].map(({ node, camera }) => [`${node}/${camera}`, { node, camera }]));
  return distinct([...all].map(([key, { node, camera }]) => /** @type {[string, string]} */ (
    [key, [names.get(key) ?? camera, nodes.get(node) ?? node].map(isolated).join(" · ")])));
}
