// The addresses of the live page: of all cameras, or of one and what is done there.

/** @import { Kind } from "../../page" */

/** @param {string} node @param {string} camera */
export const keyOf = (node, camera) => `${node}/${camera}`;

/**
 * The address of a camera's page.
 * @param {string} node
 * @param {string} camera
 * @param {Kind} [tool] Begins to draw one.
 */
export const linkTo = (node, camera, tool) => `#/camera/${node}/${camera}${tool ? `/${tool}` : ""}`;

/**
 * What the address asks for: all cameras, or #/camera/NODE/CAMERA for one, with /line, /zone or /mask to draw on it.
 * @returns {{key: string | null, node: string, camera: string, tool: Kind | undefined}}
 */
export function address() {
  const found = location.hash.match(/^#\/camera\/([^/]+)\/([^/]+)(?:\/(line|zone|mask))?$/);
  if (!found) return { key: null, node: "", camera: "", tool: undefined };
  const [, node, camera, tool] = found;
  return { key: keyOf(node, camera), node, camera, tool: /** @type {Kind | undefined} */ (tool) };
}
