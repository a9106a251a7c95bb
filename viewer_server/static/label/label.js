// The label page: a picture at a time, with the boxes that the model proposes, to accept, correct or delete.

/**
 * @import { Box } from "../../page"
 * @import { LabelProgress } from "../../wire"
 */

import { button, byId, buttonById, element, inputById, messageOf, selectById } from "../common/dom.js";
import { Refusal } from "../common/rest.js";
import { Boxes } from "./boxes.js";
import { listen } from "./keys.js";
import { note, say } from "./notes.js";
import { Panel, REASONS } from "./panel.js";
import { imageOf, pictureOf, Queue, send } from "./queue.js";
import { View } from "./view.js";

const NEW_BOX = 0.15; // of the picture, to each side of its middle

const queue = new Queue();
/** @type {Map<string, Boxes>} Pictures with changes that are not saved. */
const drafts = new Map();
/** @type {{name: string, image: Promise<HTMLImageElement>} | null} */
let ahead = null;
/** @type {Boxes | null} */
let boxes = null;
/** @type {{name: string, place: number} | null} The picture that was deleted last. */
let deleted = null;
let busy = false;
let turn = 0;
/** @type {LabelProgress | null} */
let progress = null;

const panel = new Panel({ select, name });
const view = new View(byId("view"), byId("frame"), (label) => panel.indexOf(label), { changed: refresh, drew: (box) => draw(box) });

function refresh() {
  const { picture } = boxes ?? {};
  if (boxes && picture) {
    if (boxes.isChanged) drafts.set(picture.name, boxes);
    else drafts.delete(picture.name);
  }
  view.render();
  panel.show(boxes);
  for (const id of ["accept", "next", "previous", "add", "clear", "discard"]) buttonById(id).disabled = !picture;
  buttonById("accept").disabled ||= Boolean(picture?.problem);
  buttonById("remove").disabled = !boxes?.box;
  buttonById("undo").disabled = !boxes?.canUndo && !deleted;
  buttonById("redo").disabled = !boxes?.canRedo;
  const unsaved = drafts.size ? `, ${drafts.size} not saved` : "";
  const { decided = 0, total = 0, hours = 0, hours_decided: seen = 0 } = progress ?? {};
  byId("progress").textContent = `${decided} of ${total} labelled${hours > 1 ? `, from ${seen} of ${hours} hours` : ""}${unsaved}`;
}

/**
 * While a picture is saved or loaded, nothing changes its boxes: what is pressed then was meant for the next one.
 * @param {boolean} value
 */
function setBusy(value) {
  busy = value;
  byId("frame").toggleAttribute("data-busy", value);
}

/**
 * Waits for something of which only one may run; says what went wrong.
 * @param {() => Promise<void>} work
 */
async function once(work) {
  if (busy) return;
  setBusy(true);
  try {
    await work();
  } catch (error) {
    note("That did not work", messageOf(error));
  } finally {
    setBusy(false);
    refresh();
  }
}

async function begin() {
  const below = inputById("below");
  /** @type {Record<string, string>} */
  const query = { state: selectById("state").value, reason: selectById("reason").value };
  if (below.value && below.validity.valid) query.below = String(Number(below.value) / 100);
  await queue.start(query);
  const { said } = queue;
  if (!said) return;
  progress = said.progress;
  for (const name of said.classes) panel.indexOf(name);
  panel.next ||= said.classes[0] ?? "";
  const reason = selectById("reason");
  for (const [name, count] of Object.entries(said.reasons)) {
    const known = [...reason.options].find(({ value }) => value === name);
    const text = `${REASONS[name] ?? name} (${count})`;
    if (known) known.text = text;
    else reason.append(element("option", { value: name }, text));
  }
  const notes = [...(said.skipped ? [`${said.skipped} pictures cannot be shown: of a format other than JPEG and PNG, or too many.`] : []), ...said.notes];
  if (notes.length) note("In this folder", notes.join(" "));
  await show();
}

/** Shows the picture whose turn it is; a node may have replaced some, and another window deleted some. */
async function show() {
  byId("notes").replaceChildren();
  let gone = 0;
  while (!(await showOne())) {
    drafts.delete(queue.name ?? "");
    queue.remove();
    gone += 1;
  }
  if (gone) note("Gone meanwhile", `${gone} ${gone === 1 ? "picture is" : "pictures are"} not in the folder any more.`);
}

/** @returns {Promise<boolean>} False: the picture whose turn it is is gone. */
async function showOne() {
  const { name } = queue;
  const mine = (turn += 1);
  if (name === undefined) {
    boxes = null;
    view.show(null, null);
    panel.about(null);
    say(progress?.total ? "No more pictures of this kind. Choose others above." : "There are no pictures in this folder yet.");
    refresh();
    return true;
  }
  const image = (ahead?.name === name ? ahead.image : imageOf(name)).catch(() => null);
  const picture = await pictureOf(name).catch((error) => {
    if (error instanceof Refusal && error.status === 404) return null;
    throw error;
  });
  if (!picture) return false;
  const draft = drafts.get(name);
  const shown = picture.problem ? null : await image;
  if (mine !== turn) return true;
  boxes = draft ?? new Boxes(picture);
  view.show(shown, boxes);
  panel.about(picture);
  const list = boxes.list.map(({ label }) => label);
  say(picture.problem ?? (shown ? `${list.length || "No"} ${list.length === 1 ? "box" : "boxes"}${list.length ? `: ${list.join(", ")}` : ""}` : "The browser cannot show this picture."));
  if (!(document.activeElement instanceof HTMLElement && document.activeElement.matches("#filters *"))) view.focus();
  refresh();
  const { following } = queue;
  ahead = following === undefined ? null : { name: following, image: imageOf(following) };
  ahead?.image.catch(() => {});
  return true;
}

/** @param {1 | -1} way */
const go = (way) => once(async () => {
  if (await queue.go(way)) await show();
  else say(way > 0 ? "That was the last picture of this kind." : "This is the first picture of this kind.");
});

const accept = () => once(() => save(boxes?.picture.version ?? ""));

/** @param {string} version Of what the decision replaces. */
async function save(version) {
  const current = boxes;
  if (!current || current.picture.problem) return;
  const { name } = current.picture;
  try {
    ({ progress } = await send("decide", { name, version, size: view.size, boxes: current.decided }));
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 409) throw error;
    return conflict(name, messageOf(error), "Overwrite with mine", save);
  }
  drafts.delete(name);
  if (await queue.go(1)) return show();
  await show();
  say("Saved. That was the last picture of this kind.");
}

/**
 * Tells that somebody else has decided meanwhile, and lets the person choose.
 * @param {string} name
 * @param {string} text
 * @param {string} title Of the button that does it all the same.
 * @param {(version: string) => Promise<void>} again
 */
function conflict(name, text, title, again) {
  note("Not saved", text,
    button("Take theirs", () => { drafts.delete(name); once(show); }),
    button(title, () => once(async () => again((await pictureOf(name)).version))));
}

const discard = () => once(() => erase(boxes?.picture.version ?? ""));

/** @param {string} version Of what is deleted. */
async function erase(version) {
  const { picture } = boxes ?? {};
  if (!picture) return;
  try {
    ({ progress } = await send("delete", { name: picture.name, version }));
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 409) throw error;
    return conflict(picture.name, messageOf(error), "Delete it all the same", erase);
  }
  drafts.delete(picture.name);
  const goesOn = await queue.go(1);
  if (goesOn) await queue.go(-1);
  deleted = { name: picture.name, place: queue.remove() };
  await show();
  if (!goesOn) say("That was the last picture of this kind.");
  byId("notes").replaceChildren(element("div", { class: "note" }, element("p", {}, `${picture.name} is deleted.`), element("div", { class: "bar" }, button("Bring it back", restore))));
}

const restore = () => once(async () => {
  if (deleted === null) return;
  const { name, place } = deleted;
  try {
    ({ progress } = await send("restore", { name }));
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) deleted = null; // else it can be tried again
    throw error;
  }
  deleted = null;
  queue.insert(name, place);
  await show();
});

/** @param {number} index */
function select(index) {
  boxes?.select(index);
  refresh();
}

/** @param {string} label Of the selected box, or of the next one. */
function name(label) {
  panel.indexOf(label);
  panel.next = label;
  boxes?.name(label);
  view.focus();
  refresh();
}

/** @param {Box} box */
function draw(box) {
  boxes?.add(box, panel.next || "object");
  refresh();
  if (!panel.next) inputById("class").focus();
}

/** @param {1 | -1} step */
function pick(step) {
  if (!boxes?.list.length) return;
  const { length } = boxes.list;
  select(boxes.selected < 0 && step < 0 ? length - 1 : (boxes.selected + step + length) % length);
  say(`Box ${boxes.selected + 1} of ${length}: ${boxes.box?.label}`);
}

/** @param {number} x @param {number} y Pixels of the picture. */
function arrow(x, y) {
  if (boxes?.box) {
    const [width, height] = view.size;
    boxes.move([...boxes.box.box], [x / width, y / height], boxes.grip, `keys-${boxes.selected}-${boxes.grip}`);
    refresh();
  } else if (x) go(x > 0 ? 1 : -1);
}

function grip() {
  if (!boxes?.box) return;
  boxes.grip = boxes.grip === "all" ? "start" : boxes.grip === "start" ? "end" : "all";
  boxes.pause();
  say({ all: "Arrows move the box.", start: "Arrows move its top left corner.", end: "Arrows move its bottom right corner." }[boxes.grip]);
  refresh();
}

/** @param {"undo" | "redo" | "remove" | "clear"} what */
const change = (what) => () => {
  boxes?.[what]();
  refresh();
};

const actions = {
  accept, next: () => go(1), previous: () => go(-1), remove: change("remove"), clear: change("clear"), redo: change("redo"),
  undo: () => { if (boxes?.canUndo || deleted === null) change("undo")(); else restore(); },
  add: () => draw([0.5 - NEW_BOX, 0.5 - NEW_BOX, 0.5 + NEW_BOX, 0.5 + NEW_BOX]),
  discard, grip, pick, unselect: () => select(-1), arrow,
  /** @param {number} digit */
  digit: (digit) => { const label = panel.byDigit(digit); if (label) name(label); },
  search: () => inputById("class").focus(),
  help: () => /** @type {HTMLDialogElement} */ (byId("help")).showModal(),
  /** @param {number} factor */
  zoom: (factor) => view.zoom(factor),
};
listen(actions, () => busy);
for (const id of /** @type {const} */ (["accept", "next", "previous", "add", "remove", "clear", "undo", "redo", "discard", "help"])) {
  buttonById(id === "help" ? "help-open" : id).addEventListener("click", (event) => {
    if (!busy || id === "help") actions[id]();
    if (event.detail && id !== "help") view.focus(); // the next Enter is for the picture, not for this button
  });
}
byId("frame").addEventListener("picked", (event) => { // with the space bar
  if (event.target instanceof SVGElement) select(Number(event.target.dataset.index));
});
byId("filters").addEventListener("change", () => once(begin));
byId("filters").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("beforeunload", (event) => { if (drafts.size) event.preventDefault(); });
once(begin);
