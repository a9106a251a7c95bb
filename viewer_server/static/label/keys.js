// The keys of the label page, and the list that shows them.

import { byId, element } from "../common/dom.js";

/**
 * @typedef {{
 *   accept: () => void, next: () => void, previous: () => void, remove: () => void, clear: () => void, add: () => void,
 *   undo: () => void, redo: () => void, discard: () => void, grip: () => void, pick: (step: 1 | -1) => void,
 *   unselect: () => void, digit: (digit: number) => void, search: () => void, help: () => void, zoom: (factor: number) => void,
 *   arrow: (x: number, y: number) => void,
 * }} Actions
 */

/** @type {[string, string][]} */
const HELP = [
  ["Enter", "accept what is shown, and go to the next picture"],
  ["→ ←, or N P", "next, previous picture; with a selected box, arrows move it"],
  [". ,", "select the next, previous box; Escape selects none"],
  ["arrows", "move the selected box by a pixel; with Shift by 10"],
  ["R", "arrows move the box, its first corner, its last corner"],
  ["B", "a new box in the middle; or drag one with mouse or finger"],
  ["Delete", "delete the selected box"],
  ["E", "nothing here: delete all boxes"],
  ["1 to 9", "class of the selected box, else of the next one"],
  ["C or /", "type a class, also a new one; Enter takes it"],
  ["U, Shift U", "undo, redo; also Ctrl Z, Ctrl Shift Z"],
  ["X", "delete the picture; U brings the last one back"],
  ["+ − 0", "zoom in, out, all; also Ctrl and the wheel, or two fingers"],
  ["?", "this list"],
];

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Keys that do nothing more while they are held down: they would decide about pictures that nobody has seen. */
const ONCE = new Set(["enter", "x", "e"]);

/**
 * @param {Actions} actions
 * @param {() => boolean} isBusy Keys do nothing then.
 */
export function listen(actions, isBusy) {
  const help = /** @type {HTMLDialogElement} */ (byId("help"));
  byId("keys").replaceChildren(...HELP.map(([keys, what]) =>
    element("div", {}, element("dt", {}, ...keys.split(/(?<=, )/).map((key) => element("kbd", {}, key))), element("dd", {}, what))));
  byId("help-close").addEventListener("click", () => help.close());
  /** @type {Record<string, () => void>} */
  const plain = {
    enter: actions.accept, n: actions.next, p: actions.previous, ".": () => actions.pick(1), ",": () => actions.pick(-1),
    escape: actions.unselect, r: actions.grip, b: actions.add, delete: actions.remove, backspace: actions.remove, e: actions.clear,
    c: actions.search, "/": actions.search, u: actions.undo, x: actions.discard, "+": () => actions.zoom(1.5), "=": () => actions.zoom(1.5),
    "-": () => actions.zoom(1 / 1.5), "0": () => actions.zoom(0), "?": actions.help,
  };
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (help.open || event.altKey || !(target instanceof Element)) return;
    if (target.matches("input, select, textarea")) {
      if (key === "Escape" && target instanceof HTMLElement) target.blur();
      return;
    }
    const small = key.toLowerCase();
    const isPressed = target.matches("button, a, summary") && (small === "enter" || small === " ");
    if (isPressed) return;
    /** @type {(() => void) | undefined} */
    let action;
    if (event.ctrlKey || event.metaKey) {
      if (small === "z") action = event.shiftKey ? actions.redo : actions.undo;
      if (small === "y") action = actions.redo;
    } else if (ARROWS[key]) action = () => actions.arrow(ARROWS[key][0] * (event.shiftKey ? 10 : 1), ARROWS[key][1] * (event.shiftKey ? 10 : 1));
    else if (/^[1-9]$/.test(key)) action = () => actions.digit(Number(key));
    else if (small === "u" && event.shiftKey) action = actions.redo;
    else if (small === "delete" && event.shiftKey) action = actions.discard;
    else if (small === " " && target.matches("[data-index]")) action = () => target.dispatchEvent(new Event("picked", { bubbles: true }));
    else action = plain[small];
    if (!action) return;
    event.preventDefault();
    const isHeld = event.repeat && (ONCE.has(small) || action === actions.discard);
    if (!isHeld && !isBusy()) action();
  });
}
