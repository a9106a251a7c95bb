// What people call nodes, cameras, zones and lines. Topics, addresses and files have their identifiers.

/** @import { Zones } from "../../wire" */

import { element } from "./dom.js";

const APART = "/"; // between the identifiers of a path, which hold none
const FOREIGN = /[^\u0000-\u024f]/; // beyond the Latin alphabets, some of whose neighbours are written from right to left
/** What no name may hold; the node refuses it. */
export const REFUSED = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ufeff]/g;
/** A name that shows nothing, as an empty one does. */
export const BLANK = /^[\s\p{DI}\u2800]*$/u;

/** @type {Map<string, Map<string, string>>} */
const known = new Map(); // by node, then by node, node/camera, or node/camera/zone

/**
 * What people call a node, a camera or a zone: its name, else its identifier.
 * @param {...string} path Node, then camera, then zone or line.
 */
export const called = (...path) => known.get(path[0])?.get(path.join(APART)) ?? path[path.length - 1];

/**
 * A name among other text that has no elements, such as an option's: its direction of writing stays its own.
 * @param {string} name
 */
export const isolated = (name) => (FOREIGN.test(name) ? `\u2068${name}\u2069` : name);

/**
 * A name as an element, which follows when the name changes. What it stands for is its title.
 * @param {...string} path As for `called`.
 */
export function label(...path) {
  const made = element("bdi", { "data-called": path.join(APART) });
  tell(made);
  return made;
}

/**
 * The same for a name that came with what is shown, from the REST API.
 * @param {string | null | undefined} name
 * @param {string} identifier
 */
export const named = (name, identifier) => (name ? element("bdi", { title: identifier }, name) : element("bdi", {}, identifier));

/** @param {HTMLElement} made */
function tell(made) {
  const path = (made.dataset.called ?? "").split(APART);
  const name = called(...path);
  const identifier = path[path.length - 1];
  if (made.textContent !== name) made.textContent = name;
  if (name === identifier) made.removeAttribute("title");
  else made.title = identifier;
}

/**
 * Takes in the names of a node and its cameras; null when the node is gone. `retell` brings what is shown up to date.
 * @param {string} node
 * @param {{name?: string | null, cameras: {camera: string, name?: string | null}[]} | null} info
 * @returns {boolean} Whether any has changed.
 */
export function learnNode(node, info) {
  /** @type {[string, string | null | undefined][]} */
  const cameras = info?.cameras.map(({ camera, name }) => [`${node}${APART}${camera}`, name]) ?? [];
  return learn(node, (key) => key.split(APART).length < 3, [[node, info?.name], ...cameras]);
}

/**
 * Takes in the names of a camera's zones and lines; null when they are gone.
 * @param {string} node
 * @param {string} camera
 * @param {Zones | null} definitions
 */
export function learnZones(node, camera, definitions) {
  const { zones = {}, lines = {} } = definitions ?? {};
  const before = [node, camera, ""].join(APART);
  const isNew = learn(node, (key) => key.startsWith(before),
    Object.entries({ ...zones, ...lines }).map(([key, { name }]) => [before + key, name]));
  if (isNew) retell();
}

/** Brings names up to date where they are shown. */
export function retell() {
  for (const made of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-called]"))) tell(made);
}

/**
 * Replaces some of a node's names by others.
 * @param {string} node
 * @param {(key: string) => boolean} isOld Whether a name is one of those that are replaced.
 * @param {[string, string | null | undefined][]} names
 */
function learn(node, isOld, names) {
  const own = known.get(node) ?? new Map();
  const old = [...own].filter(([key]) => isOld(key));
  const now = names.flatMap(([key, name]) => (name ? [/** @type {[string, string]} */ ([key, name])] : []));
  const text = (/** @type {[string, string][]} */ list) => JSON.stringify(list.sort());
  if (text(old) === text(now)) return false;
  for (const [key] of old) own.delete(key);
  for (const [key, name] of now) own.set(key, name);
  if (own.size) known.set(node, own);
  else known.delete(node);
  return true;
}

/**
 * The beginning of a long name, so that a picture has room for what stands behind it.
 * @param {string} name
 * @param {number} most Characters.
 */
export function shortened(name, most) {
  const characters = [...new Intl.Segmenter().segment(name)].map(({ segment }) => segment);
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : name;
}
