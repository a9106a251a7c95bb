// What can be set about the zone or line that is selected.

import { element } from "../common/dom.js";
import { anchorNames } from "../common/geometry.js";

const CAN_BE_NONE = ["loitering_s", "crowd"];

let made = 0;

/** A labelled control; `set` is called with its value as it changes. */
function field(text, control, set, unit) {
  control.id = `field-${(made += 1)}`;
  const isBox = control.type === "checkbox";
  control.addEventListener("input", () => set(isBox ? control.checked : control.value, control));
  const label = element("label", { for: control.id }, text);
  return element("div", { class: isBox ? "field tick" : "field" }, ...(isBox ? [control, label] : [label, control]),
    ...(unit ? [element("span", { class: "quiet" }, unit)] : []));
}

function number(text, value, unit, set, { min = 0, step = "any", max } = {}) {
  const control = element("input", { type: "number", min, max, step, value: value ?? "", inputmode: "decimal" });
  return field(text, control, (typed) => control.validity.valid && set(typed === "" ? null : Number(typed)), unit);
}

/**
 * @param {Draft} draft With something selected.
 * @param {string[]} classes What the model knows; none when that is not known.
 * @param {() => void} changed
 */
export function formFor(draft, classes, changed) {
  const { kind, name, more } = draft.shape;
  const index = draft.selected;
  const set = (key) => (value) => {
    draft.edit(({ shape }) => {
      if (value === null && !CAN_BE_NONE.includes(key)) delete shape.more[key]; // the node's default, then
      else shape.more[key] = value;
    }, `${index}-${key}`);
    changed();
  };
  const nameField = element("input", { type: "text", value: name, maxlength: 64, spellcheck: "false", autocomplete: "off" });
  const rename = (text, control) => {
    const clean = text.replace(/\s/g, "-");
    if (clean !== text) control.value = clean;
    draft.edit(({ shape }) => { shape.name = clean; }, `${index}-name`);
    changed();
  };
  const rest = kind === "zone" ? zoneFields(more, set) : [];
  return element("div", { class: "form" }, field("Name", nameField, rename), classFilter(draft, classes, set("classes")),
    ...rest, finer(kind, more, set));
}

function zoneFields(more, set) {
  const count = element("input", { type: "number", min: 1, step: 1, value: more.crowd?.count ?? "", inputmode: "numeric" });
  const crowd = (typed) => count.validity.valid && set("crowd")(typed === "" ? null : { after_s: 2, ...more.crowd, count: Number(typed) });
  const queue = element("input", { type: "checkbox" });
  queue.checked = Boolean(more.queue);
  return [
    field("Read it as a queue", queue, set("queue")),
    number("Loitering after", more.loitering_s, "s", (value) => set("loitering_s")(value || null), { min: 0 }),
    field("Crowded from", count, crowd, "objects"),
  ];
}

function finer(kind, more, set) {
  const anchor = element("select", {}, ...anchorNames.map((name) => element("option", { value: name }, name.replace("_", " "))));
  anchor.value = more.anchor ?? "bottom_center";
  const fields = kind === "line"
    ? [number("Band around it", more.band ?? 0.01, "of the height", set("band"), { max: 0.5 })]
    : [number("Enters after", more.enter_after_s ?? 0, "s", set("enter_after_s")),
      number("Has left after", more.exit_after_s ?? 0.5, "s", set("exit_after_s")),
      number("Held when lost for", more.lost_after_s ?? 3, "s", set("lost_after_s"))];
  return element("details", {}, element("summary", {}, "Finer settings"), field("Point that counts", anchor, set("anchor")), ...fields);
}

/** Chips for the classes that count, and a box to add one. */
function classFilter(draft, classes, set) {
  const chips = element("span", { class: "chips" });
  const list = element("datalist", { id: `classes-${(made += 1)}` }, ...classes.map((name) => element("option", { value: name })));
  const box = element("input", { type: "text", list: list.id, placeholder: "add a class", maxlength: 128 });
  const chosen = () => draft.shape.more.classes ?? [];
  const fill = () => {
    chips.replaceChildren(...chosen().map((name) => {
      const chip = element("button", { type: "button", class: "chip", "aria-label": `Do not count ${name}` }, `${name} ×`);
      chip.addEventListener("click", () => update(chosen().filter((other) => other !== name)));
      return chip;
    }));
    if (!chosen().length) chips.append(element("span", { class: "quiet" }, "everything"));
  };
  const update = (names) => {
    set(names);
    fill();
    box.focus();
  };
  const add = () => {
    const name = box.value.trim();
    box.value = "";
    if (name && !chosen().includes(name)) update([...chosen(), name]);
  };
  box.addEventListener("change", add);
  box.addEventListener("keydown", (event) => event.key === "Enter" && add());
  const row = field("Counts", box, () => classes.includes(box.value) && add());
  row.insertBefore(chips, box);
  row.append(list);
  fill();
  return row;
}
