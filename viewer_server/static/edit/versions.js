// What is saved of a camera's zones, lines and masks: saving another version, and the earlier ones.

/**
 * @import { Definitions, EditedCamera } from "../../page"
 * @import { ZonesSaved, ZoneVersion, ZoneVersions } from "../../wire"
 */

import { button, element, messageOf } from "../common/dom.js";
import { time } from "../common/format.js";
import { askInPlace } from "../common/rest.js";

/** @param {{node: string, camera: string}} camera */
const pathOf = ({ node, camera }) => `zones/${encodeURIComponent(node)}/${encodeURIComponent(camera)}`;

/**
 * Saves definitions, unless another version than this one is defined by now.
 * @param {Pick<EditedCamera, "node" | "camera" | "zones" | "setZones">} camera
 * @param {Definitions} definitions
 * @param {number} version
 * @returns {Promise<ZonesSaved>}
 */
export async function save(camera, definitions, version) {
  /** @type {ZonesSaved} */
  const saved = await askInPlace(pathOf(camera), { version, ...definitions });
  const known = camera.zones?.version ?? 0; // the retained message may have come already, or come later
  if (known < saved.version) camera.setZones({ ...definitions, version: saved.version });
  return saved;
}

/**
 * The versions that the viewer remembers, each with a button.
 * @param {EditedCamera} camera
 * @param {(version: ZoneVersion) => void} restore Called with the one that was chosen.
 */
export async function listOf(camera, restore) {
  const list = element("ol", { class: "versions" });
  try {
    /** @type {ZoneVersions} */
    const { versions } = await askInPlace(`${pathOf(camera)}/versions`);
    list.append(...versions.map((one) => {
      const seen = `${new Date(one.seen_us / 1000).toLocaleDateString()} ${time(one.seen_us / 1000)}`;
      return element("li", {}, button(`Version ${one.version}`, () => restore(one)),
        element("span", { class: "quiet" }, `${seen} · ${contents(one)}`));
    }));
  } catch (error) {
    list.append(element("li", {}, messageOf(error)));
  }
  return list;
}

/** @param {number} count @param {string} kind */
const counted = (count, kind) => `${count} ${kind}${count === 1 ? "" : "s"}`;

/** @param {Definitions} definitions */
function contents({ zones, lines, masks }) {
  const parts = { zone: zones, line: lines, mask: masks };
  return Object.entries(parts).map(([kind, all]) => counted(Object.keys(all).length, kind)).join(", ");
}
