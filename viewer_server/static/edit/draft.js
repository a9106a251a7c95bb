// Zones, lines, masks and filters while they are edited: every step can be undone, and nothing counts before it is saved.

/**
 * @import { Definitions, Kind, Point, Shape, Version } from "../../page"
 * @import { MaskDefinition, ZoneDefinition } from "../../wire"
 */

import { problemOf } from "../common/geometry.js";
import { isolated } from "../common/names.js";
import { Steps } from "../common/steps.js";
import { nameOf, titleOf } from "./words.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * @param {Definitions} definitions
 * @returns {Shape[]}
 */
function shapesOf({ zones, lines, masks }) {
  /** @param {Kind} kind */
  const area = (kind) => /** @param {[string, ZoneDefinition | MaskDefinition]} one */ ([name, { polygon, ...more }]) =>
    /** @type {Shape} */ ({ kind, name, points: polygon, more });
  return [
    ...Object.entries(zones).map(area("zone")),
    ...Object.entries(lines).map(([name, { points, ...more }]) =>
      /** @type {Shape} */ ({ kind: "line", name, points, more })),
    ...Object.entries(masks).map(area("mask")),
  ];
}

/**
 * What is sent to the node; it adds the defaults that a shape leaves out.
 * @param {Shape[]} shapes
 * @param {Definitions["filters"]} filters
 * @returns {Definitions}
 */
function definitionsOf(shapes, filters) {
  /** @param {Point[]} points */
  const short = (points) => points.map((point) => point.map((value) => Math.round(value * 1e5) / 1e5));
  /** @param {Kind} kind @param {string} key */
  const of = (kind, key) => Object.fromEntries(shapes.filter((shape) => shape.kind === kind)
    .map(({ name, points, more }) => [name, { [key]: short(points), ...more }]));
  return /** @type {Definitions} */ ({ zones: of("zone", "polygon"), lines: of("line", "points"), masks: of("mask", "polygon"), filters });
}

/**
 * The names that were added, changed and removed from one set of definitions to another.
 * @param {Definitions} before
 * @param {Definitions} after
 */
export function differences(before, after) {
  /** @param {Definitions} definitions @returns {Map<string, object>} */
  const flat = ({ zones, lines, masks, filters }) => new Map([...Object.entries({ ...zones, ...lines, ...masks }),
    ...Object.entries(filters).map(/** @returns {[string, object]} */ ([name, filter]) => [`the filter of ${name}`, filter])]);
  const [old, now] = [flat(before), flat(after)];
  /** @param {string} key */
  const shown = (key) => {
    const one = now.get(key) ?? old.get(key);
    return isolated((one && "name" in one && typeof one.name === "string" && one.name) || key);
  };
  return {
    added: [...now.keys()].filter((key) => !old.has(key)).map(shown),
    changed: [...now.keys()].filter((key) => old.has(key) && JSON.stringify(old.get(key)) !== JSON.stringify(now.get(key))).map(shown),
    removed: [...old.keys()].filter((key) => !now.has(key)).map(shown),
  };
}

/**
 * As for `Draft.problems`.
 * @param {Definitions["filters"]} filters
 * @param {string[]} classes
 */
function filterProblems(filters, classes) {
  return Object.entries(filters).flatMap(([name, one]) => {
    const of = (/** @type {"size" | "aspect"} */ what) =>
      [one[`min_${what}`] ?? filters.all?.[`min_${what}`] ?? 0, one[`max_${what}`] ?? filters.all?.[`max_${what}`] ?? Infinity];
    const crossed = /** @type {("size" | "aspect")[]} */ (["size", "aspect"]).filter((what) => of(what)[0] > of(what)[1]);
    const found = crossed.map((what) => ({ stops: true, text: `Filter of ${name}: its lowest ${what} is above its highest` }));
    if (name === "all" || !classes.length || classes.includes(name)) return found;
    return [...found, { stops: false, text: `Filter of ${name}: the model does not know this class` }];
  });
}

export class Draft extends Steps {
  #first = "";
  /** @type {Shape[]} */
  shapes = [];
  /** @type {Definitions["filters"]} By class. */
  filters = {};
  selected = -1;

  /** @param {Version} base The saved version: saving replaces this one. */
  constructor(base) {
    super();
    this.base = base;
    this.restart(base);
  }

  /**
   * Forgets every change and begins with another saved version.
   * @param {Version} base
   */
  restart(base) {
    this.base = base;
    this.#take(base);
    this.forget();
    this.#first = this.#text();
  }

  /** The selected shape. */
  get shape() {
    return this.selected < 0 ? undefined : this.shapes[this.selected];
  }

  get isChanged() {
    return this.#text() !== this.#first;
  }

  /**
   * Changes the selected shape, as one step.
   * @param {(shape: Shape) => void} change
   * @param {string | null} key As for `edit`.
   */
  editShape(change, key = null) {
    const { shape } = this;
    if (shape) this.edit(() => change(shape), key);
  }

  /**
   * Adds a shape and selects it.
   * @param {Kind} kind
   * @param {Point[]} points
   */
  add(kind, points) {
    this.edit(() => {
      this.shapes.push({ kind, name: this.#freeIdentifier(kind), follows: true, points, more: {} });
      this.selected = this.shapes.length - 1;
    });
  }

  /**
   * Gives a shape a name for people; without one, or with one that is its identifier, it goes by its identifier.
   * @param {Shape} shape
   * @param {string} name
   */
  call(shape, name) {
    const identifier = name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
    if (shape.follows) shape.name = this.#freeIdentifier(shape.kind, identifier, shape);
    if (name && name !== shape.name) shape.more.name = name;
    else if (shape.more.name) shape.more.name = null;
  }

  /** @param {number} index */
  remove(index) {
    this.edit(() => {
      this.shapes.splice(index, 1);
      this.selected = -1;
    });
  }

  /**
   * Replaces everything by other definitions, such as an earlier version, as one step.
   * @param {Definitions} definitions
   */
  replace(definitions) {
    this.edit(() => this.#take(definitions));
  }

  /**
   * Keeps the changes; from now on, saving replaces another version.
   * @param {Version} base
   */
  rebase(base) {
    this.base = base;
  }

  get definitions() {
    return definitionsOf(this.shapes, this.filters);
  }

  /**
   * A sentence for each problem; the node would refuse those with `stops`.
   * @param {string[]} classes The model's; empty when they are not known.
   */
  problems(classes) {
    /** @type {{stops: boolean, text: string}[]} */
    const found = [];
    this.shapes.forEach((shape, index) => {
      const { kind, name, points, more } = shape;
      const who = `${titleOf(kind)} ${nameOf(shape) || "without a name"}`;
      /** @param {string} text */
      const say = (text, stops = false) => found.push({ stops, text: `${who} ${text}` });
      if (!NAME.test(name)) say("needs an identifier of letters, digits, - or _", true);
      else if (this.shapes.findIndex((other) => other.name === name) < index) say("has the identifier of another", true);
      const problem = problemOf(kind, points);
      if (problem) say(problem);
      if (!classes.length) return;
      for (const one of more.classes ?? []) if (!classes.includes(one)) say(`asks for ${one}, which the model does not know`);
    });
    return [...found, ...filterProblems(this.filters, classes)];
  }

  /**
   * An identifier that no other shape has: the wanted one, else one with a number.
   * @param {Kind} kind
   * @param {string} wanted Empty: whatever is free.
   * @param {Shape | null} self The shape that gets it.
   */
  #freeIdentifier(kind, wanted = "", self = null) {
    const taken = new Set(this.shapes.filter((shape) => shape !== self).map(({ name }) => name));
    if (wanted && !taken.has(wanted)) return wanted;
    for (let number = wanted ? 2 : 1; ; number += 1) {
      const numbered = `${(wanted || kind).slice(0, 60)}-${number}`;
      if (!taken.has(numbered)) return numbered;
    }
  }

  /** @param {Definitions} definitions */
  #take(definitions) {
    const own = structuredClone(definitions);
    this.shapes = shapesOf(own);
    this.filters = own.filters;
    this.selected = -1;
  }

  #text = () => JSON.stringify([this.shapes, this.filters]);

  state() {
    return JSON.stringify([this.shapes, this.filters, this.selected]);
  }

  /** @param {string} state */
  restore(state) {
    [this.shapes, this.filters, this.selected] = JSON.parse(state);
  }
}
