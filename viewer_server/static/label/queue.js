// The pictures that are to be labelled: pages of names, loaded as they are needed, and what the viewer says of each.

/** @import { LabelList, LabelPicture, LabelSaved } from "../../wire" */

import { address, askInPlace } from "../common/rest.js";

const PAGE = 50;

/** @param {string} path @param {Record<string, string | number>} parameters */
const get = (path, parameters) => askInPlace(address(path, parameters).slice("api/v1/".length));

/** @param {string} name @returns {Promise<LabelPicture>} */
export const pictureOf = (name) => get("label/picture", { name });

/**
 * Sends a decision, or asks for a deletion or its undoing.
 * @param {"decide" | "delete" | "restore"} what
 * @param {object} body
 * @returns {Promise<LabelSaved>}
 */
export const send = (what, body) => askInPlace(`label/${what}`, body);

/**
 * The file of a picture, decoded.
 * @param {string} name
 */
export async function imageOf(name) {
  const image = new Image();
  image.alt = "";
  image.draggable = false;
  image.src = address("label/image", { name });
  await image.decode();
  return image;
}

export class Queue {
  /** @type {string[]} */
  #names = [];
  #at = -1;
  /** @type {Record<string, string>} */
  #query = {};
  /** @type {LabelList | null} What the viewer said last. */
  said = null;

  /** The name of the picture that it is the turn of; undefined when there is none. */
  get name() {
    return this.#names[this.#at];
  }

  /** The name of the next one, as far as it is loaded. */
  get following() {
    return this.#names[this.#at + 1];
  }

  /**
   * Begins anew.
   * @param {Record<string, string>} query Which pictures.
   */
  async start(query) {
    this.#query = query;
    [this.#names, this.#at] = [[], -1];
    this.#names = await this.#load({});
    this.#at = this.#names.length ? 0 : -1;
  }

  /**
   * Goes on, or back.
   * @param {1 | -1} way
   * @returns {Promise<boolean>} Whether there is one.
   */
  async go(way) {
    const name = this.name ?? "";
    if (this.#names[this.#at + way] === undefined && name) {
      const more = (await this.#load(way > 0 ? { after: name } : { before: name })).filter((one) => !this.#names.includes(one));
      this.#names = way > 0 ? [...this.#names, ...more] : [...more, ...this.#names];
      if (way < 0) this.#at += more.length;
    }
    if (this.#names[this.#at + way] === undefined) return false;
    this.#at += way;
    return true;
  }

  /**
   * Takes the picture out, whose place the next one takes.
   * @returns {number} That place.
   */
  remove() {
    const place = this.#at;
    this.#names.splice(place, 1);
    this.#at = Math.min(place, this.#names.length - 1);
    return place;
  }

  /**
   * Puts a picture in, whose turn it then is.
   * @param {string} name
   * @param {number} place
   */
  insert(name, place) {
    this.#at = Math.min(place, this.#names.length);
    this.#names.splice(this.#at, 0, name);
  }

  /** @param {Record<string, string>} where @returns {Promise<string[]>} */
  async #load(where) {
    const said = await get("label/pictures", { ...this.#query, ...where, limit: PAGE });
    this.said = said;
    return said.pictures;
  }
}
