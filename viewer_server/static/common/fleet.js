// What there is: every node and camera by name. The page has tiles of a few of them, page by page.

/**
 * @import { NodeLine } from "../../page"
 * @typedef {{key: string, node: string, camera: string}} Place
 */

import { learnNode } from "./names.js";
import { holds, Pager } from "./pager.js";

export const ON_A_PAGE = 48; // cameras, whose identifiers fit into one message to the viewer
const FEW_NODES = 8;

export class Fleet {
  /** @type {Map<string, NodeLine>} */
  #nodes = new Map();
  /** @type {Set<string>} */
  #unheard = new Set(); // nodes that were not named since the connection began
  /** @type {Place[] | null} */
  #places = null; // of all cameras in the order of the page; null when it has to be made anew
  #pager;

  /**
   * @param {HTMLElement} root Where the field and the buttons for many cameras go.
   * @param {() => void} changed Called when another page is wanted.
   */
  constructor(root, changed) {
    this.#pager = new Pager(root, "cameras", ON_A_PAGE, changed);
  }

  /** A connection begins: what is not named from now on is gone. */
  begin() {
    this.#unheard = new Set(this.#nodes.keys());
  }

  /** All names have been sent. */
  end() {
    this.take([...this.#unheard].map((node) => /** @type {NodeLine} */ ([node])));
  }

  /**
   * Takes in what is new.
   * @param {NodeLine[]} lines
   * @returns {boolean} Whether people call anything by another name now.
   */
  take(lines) {
    let isRenamed = false;
    for (const line of lines) {
      const [node, , cameras, name] = line;
      this.#unheard.delete(node);
      isRenamed = learnNode(node, cameras ? { name, cameras: cameras.map(([camera, , called]) => ({ camera, name: called })) } : null) || isRenamed;
      if (cameras) this.#nodes.set(node, line);
      else this.#nodes.delete(node);
    }
    this.#places = null;
    return isRenamed;
  }

  /** @param {string} node @param {string} camera */
  has(node, camera) {
    return this.#nodes.get(node)?.[2]?.some(([name]) => name === camera) ?? false;
  }

  /** How many cameras there are. */
  get cameras() {
    return this.#all.length;
  }

  /** Names of the nodes, if they are few; else only how many are in which state. */
  get nodes() {
    const online = [...this.#nodes.values()].filter(([, status]) => status === "online").length;
    return { few: this.#nodes.size <= FEW_NODES ? [...this.#nodes.keys()].sort() : null, count: this.#nodes.size, online };
  }

  /** @param {string} node */
  statusOf(node) {
    return this.#nodes.get(node)?.[1] ?? null;
  }

  /** The cameras of this page; and whether there are others. */
  page() {
    const { words } = this.#pager;
    const found = words.length ? this.#all.filter((place) => holds(this.#about(place), words)) : this.#all;
    this.#pager.told(found.length);
    return { places: found.slice(this.#pager.skip, this.#pager.skip + ON_A_PAGE), isAll: this.cameras <= ON_A_PAGE };
  }

  get #all() {
    this.#places ??= [...this.#nodes.values()].flatMap(([node, , cameras = []]) =>
      cameras.map(([camera]) => ({ key: `${node}/${camera}`, node, camera }))).sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.#places;
  }

  /** What a camera is found by. @param {Place} place */
  #about({ node, camera }) {
    const [, status, cameras = [], name] = this.#nodes.get(node) ?? [node];
    return [node, status, name, ...(cameras.find(([one]) => one === camera) ?? [])].join(" ");
  }
}
