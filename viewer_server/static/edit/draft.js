// Zones and lines while they are being edited: every step can be undone, and nothing is in force yet.

import { problemOf } from "../common/geometry.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const MERGE_MS = 1000;

/** Definitions as a list: {kind, name, points, more}, where `more` is everything else that they say. */
function shapesOf({ zones, lines }) {
  return [
    ...Object.entries(zones).map(([name, { polygon, ...more }]) => ({ kind: "zone", name, points: polygon, more })),
    ...Object.entries(lines).map(([name, { points, ...more }]) => ({ kind: "line", name, points, more })),
  ];
}

function definitionsOf(shapes) {
  const short = (points) => points.map((point) => point.map((value) => Math.round(value * 1e5) / 1e5));
  const of = (kind, key) => Object.fromEntries(shapes.filter((shape) => shape.kind === kind)
    .map(({ name, points, more }) => [name, { [key]: short(points), ...more }]));
  return { zones: of("zone", "polygon"), lines: of("line", "points") };
}

/** Names that are in one set of definitions and not, or not alike, in the other. */
export function differences(before, after) {
  const flat = ({ zones, lines }) => new Map([...Object.entries(zones), ...Object.entries(lines)]);
  const [old, now] = [flat(before), flat(after)];
  const names = (all, wanted) => [...all.keys()].filter(wanted);
  return {
    added: names(now, (name) => !old.has(name)),
    changed: names(now, (name) => old.has(name) && JSON.stringify(old.get(name)) !== JSON.stringify(now.get(name))),
    removed: names(old, (name) => !now.has(name)),
  };
}

export class Draft {
  #past = [];
  #future = [];
  #last = { key: null, at: 0 };
  #first = "";
  selected = -1;

  /** @param {object} base `version`, `zones` and `lines` in force; what is saved replaces that version. */
  constructor(base) {
    this.restart(base);
  }

  /** Forget every change and begin with what is in force now. */
  restart(base) {
    this.base = base;
    this.shapes = shapesOf(structuredClone(base));
    this.selected = -1;
    this.#past = [];
    this.#future = [];
    this.#first = this.#text();
  }

  get shape() {
    return this.shapes[this.selected];
  }

  get isChanged() {
    return this.#text() !== this.#first;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Change something; changes with the same `key` that follow each other at once are one step. */
  edit(change, key = null) {
    const now = performance.now();
    if (key === null || key !== this.#last.key || now - this.#last.at > MERGE_MS) this.#past.push(this.#state());
    this.#last = { key, at: now };
    this.#future = [];
    change(this);
  }

  /** What comes is a new step, however soon. */
  pause() {
    this.#last.key = null;
  }

  undo() {
    this.#go(this.#past, this.#future);
  }

  redo() {
    this.#go(this.#future, this.#past);
  }

  /** A new "zone" or "line", which is selected then. */
  add(kind, points) {
    this.edit(() => {
      this.shapes.push({ kind, name: this.#freeName(kind), points, more: {} });
      this.selected = this.shapes.length - 1;
    });
  }

  remove(index) {
    this.edit(() => {
      this.shapes.splice(index, 1);
      this.selected = -1;
    });
  }

  /** Other definitions instead, such as an earlier version; one step. */
  replace(definitions) {
    this.edit(() => {
      this.shapes = shapesOf(structuredClone(definitions));
      this.selected = -1;
    });
  }

  /** What is saved from now on replaces this version. */
  rebase(base) {
    this.base = base;
  }

  get definitions() {
    return definitionsOf(this.shapes);
  }

  /** What is wrong, a sentence each; `stops` those that the node would refuse. */
  problems(classes) {
    const found = [];
    this.shapes.forEach(({ kind, name, points, more }, index) => {
      const who = `${kind === "zone" ? "Zone" : "Line"} ${name || "without a name"}`;
      const say = (text, stops = false) => found.push({ stops, text: `${who} ${text}` });
      if (!NAME.test(name)) say("needs a name of letters, digits, - or _", true);
      else if (this.shapes.findIndex((other) => other.name === name) < index) say("has the name of another", true);
      const problem = problemOf(kind, points);
      if (problem) say(problem);
      if (!classes.length) return;
      for (const one of more.classes ?? []) if (!classes.includes(one)) say(`asks for ${one}, which the model does not know`);
    });
    return found;
  }

  #freeName(kind) {
    for (let number = 1; ; number += 1) {
      const name = `${kind}-${number}`;
      if (!this.shapes.some((shape) => shape.name === name)) return name;
    }
  }

  #text = () => JSON.stringify(this.shapes);

  #state = () => JSON.stringify([this.shapes, this.selected]);

  #go(from, to) {
    if (!from.length) return;
    to.push(this.#state());
    [this.shapes, this.selected] = JSON.parse(from.pop());
    this.pause();
  }
}
