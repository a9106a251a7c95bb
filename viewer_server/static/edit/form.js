// The form for the selected zone, line or mask.

/**
 * @import { EditedCamera, Kind, Settings } from "../../page"
 * @import { Draft } from "./draft.js"
 * @typedef {(key: keyof Settings) => (value: unknown) => void} Setter
 * @typedef {EditedCamera["schedules"]} Schedules
 */

import { element } from "../common/dom.js";
import { anchorNames } from "../common/geometry.js";
import { BLANK, isolated, REFUSED } from "../common/names.js";
import { own } from "../common/own.js";

/** @type {(keyof Settings)[]} */
const CAN_BE_NULL = ["loitering_s", "crowd", "presence", "schedule"];
const PRESENCE = { on_after_s: 0, off_after_s: 30 };
const ANCHOR = "bottom_center"; // the node's defaults
const OVERLAP = 0.5;

let made = 0;

/**
 * A control with its label.
 * @param {string} text
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @param {(value: string) => void} set Called with the value as it changes.
 * @param {string} unit Shown after the control.
 */
function field(text, control, set, unit = "") {
  control.id = `field-${(made += 1)}`;
  control.addEventListener("input", () => set(control.value));
  const label = element("label", { for: control.id }, text);
  return element("div", { class: "field" }, label, control, ...(unit ? [element("span", { class: "quiet" }, unit)] : []));
}

/**
 * A checkbox with its label.
 * @param {string} text
 * @param {boolean} checked
 * @param {(checked: boolean) => void} set
 */
function tick(text, checked, set) {
  const box = element("input", { type: "checkbox", id: `field-${(made += 1)}` });
  box.checked = checked;
  box.addEventListener("input", () => set(box.checked));
  return element("div", { class: "field tick" }, box, element("label", { for: box.id }, text));
}

/**
 * A number with its label; null when the field is empty. What is not valid, such as a score of 150 %, changes nothing.
 * @param {string} text
 * @param {number | null | undefined} value
 * @param {string} unit
 * @param {(value: number | null) => void} set
 * @param {{min?: number, step?: number | "any", max?: number}} range
 */
export function number(text, value, unit, set, { min = 0, step = "any", max } = {}) {
  const control = element("input", { type: "number", min, max, step, value: value ?? "", inputmode: step === 1 ? "numeric" : "decimal" });
  const typed = () => (control.value === "" ? null : Number(control.value));
  let kept = typed(); // not the 15 on the way to 150
  control.addEventListener("change", () => { if (control.validity.valid) kept = typed(); });
  return field(text, control, () => set(control.validity.valid ? typed() : kept), unit);
}

/**
 * @param {Draft} draft
 * @param {string[]} classes The model's; empty when they are not known.
 * @param {() => void} changed
 * @param {boolean} canName Whether the node keeps names for people.
 * @param {Schedules} schedules The node's; null: it knows none.
 */
export function formFor(draft, classes, changed, canName, schedules) {
  const { shape, selected: index } = draft;
  if (!shape) return element("div");
  const { kind, more } = shape;
  /** @type {Setter} */
  const set = (key) => (value) => {
    draft.editShape((edited) => {
      if (value === null && !CAN_BE_NULL.includes(key)) delete edited.more[key]; // then the node's default applies
      else Object.assign(edited.more, { [key]: value });
    }, `${index}-${key}`);
    changed();
  };
  const names = kind !== "mask" && canName ? nameFields(draft, changed) : [identifierField("Name", draft, changed)];
  const wanted = classFilter(draft, classes, set("classes"));
  const when = schedules ? [scheduleField(kind, schedules, more, set)] : [];
  if (kind === "mask") return element("div", { class: "form" }, ...names, wanted, ...when, ...maskFields(more, set));
  const rest = kind === "zone" ? zoneFields(more, set) : [];
  const presence = kind === "zone" && schedules ? presenceFields(more, set) : [];
  return element("div", { class: "form" }, ...names, wanted, ...when, ...rest, ...presence, finer(kind, more, set));
}

/**
 * What topics and files call a shape.
 * @param {string} text
 * @param {Draft} draft
 * @param {() => void} changed
 */
function identifierField(text, draft, changed) {
  const { selected: index } = draft;
  const box = nameBox(draft.shape?.name ?? "");
  return field(text, box, (typed) => {
    const clean = typed.replace(/\s/g, "-");
    if (clean !== typed) box.value = clean;
    draft.editShape((edited) => Object.assign(edited, { name: clean, follows: false }), `${index}-name`);
    changed();
  });
}

/**
 * What people call a shape, and its identifier, which follows until the shape is saved.
 * @param {Draft} draft
 * @param {() => void} changed
 */
function nameFields(draft, changed) {
  const { shape, selected: index } = draft;
  const box = nameBox(shape?.more.name ?? "");
  box.dir = "auto";
  const identifier = identifierField("Identifier", draft, () => {
    show();
    changed();
  });
  const identifierBox = identifier.querySelector("input");
  const show = () => {
    box.placeholder = draft.shape?.name ?? "";
    if (identifierBox && identifierBox.value !== draft.shape?.name) identifierBox.value = draft.shape?.name ?? "";
  };
  const name = field("Name", box, (typed) => {
    const clean = typed.replace(REFUSED, "");
    if (clean !== typed) box.value = clean;
    draft.editShape((edited) => draft.call(edited, BLANK.test(clean) ? "" : clean.trim()), `${index}-called`);
    show();
    changed();
  });
  show();
  identifier.title = "In topics, files and other programs: letters, digits, - and _";
  return [name, identifier];
}

/** @param {string} value */
const nameBox = (value) => element("input", { type: "text", value, maxlength: 64, spellcheck: "false", autocomplete: "off" });

/** @param {Settings} more @param {Setter} set */
function zoneFields(more, set) {
  /** @param {number | null} count */
  const crowd = (count) => set("crowd")(count === null ? null : { after_s: 2, ...more.crowd, count });
  return [
    tick("Treat it as a queue", Boolean(more.queue), set("queue")),
    number("Loitering after", more.loitering_s, "s", (value) => set("loitering_s")(value || null)),
    number("Crowded from", more.crowd?.count, "objects", crowd, { min: 1, step: 1 }),
  ];
}

/**
 * During which schedule a shape counts or holds. One that is no more stays chosen, and counts always.
 * @param {Kind} kind
 * @param {NonNullable<Schedules>} schedules
 * @param {Settings} more
 * @param {Setter} set
 */
function scheduleField(kind, schedules, more, set) {
  const chosen = more.schedule ?? "";
  const gone = chosen && !own(schedules, chosen) ? [element("option", { value: chosen }, `${chosen}, which is not defined`)] : [];
  const list = element("select", {}, element("option", { value: "" }, "always"), ...gone,
    ...Object.entries(schedules).map(([id, { name }]) => element("option", { value: id }, isolated(name || id))));
  list.value = chosen;
  const row = field(kind === "mask" ? "Holds" : "Counts during", list, (id) => set("schedule")(id || null));
  if (!Object.keys(schedules).length) row.append(element("a", { class: "quiet", href: "schedules" }, "Make a schedule"));
  return row;
}

/**
 * Whether the zone says that somebody is present, and after how long.
 * @param {Settings} more
 * @param {Setter} set
 */
function presenceFields(more, set) {
  let presence = more.presence ?? null;
  /** @param {Partial<typeof PRESENCE> | null} change */
  const put = (change) => {
    presence = change && { ...PRESENCE, ...presence, ...change };
    set("presence")(presence);
    for (const one of rows) one.hidden = !presence;
  };
  const rows = [
    number("Present after", presence?.on_after_s ?? PRESENCE.on_after_s, "s occupied", (value) => put({ on_after_s: value ?? PRESENCE.on_after_s })),
    number("Nobody after", presence?.off_after_s ?? PRESENCE.off_after_s, "s empty", (value) => put({ off_after_s: value ?? PRESENCE.off_after_s })),
  ];
  for (const one of rows) one.hidden = !presence;
  return [tick("Say whether somebody is present", Boolean(presence), (checked) => put(checked ? {} : null)), ...rows];
}

/**
 * How a mask decides whether an object is in it.
 * @param {Settings} more
 * @param {Setter} set
 */
function maskFields(more, set) {
  const point = field("Point", choice(anchorNames, more.anchor ?? ANCHOR), set("anchor"));
  const share = number("At least", Math.round((more.overlap ?? OVERLAP) * 100), "% of the box",
    (value) => value && set("overlap")(Math.round(value * 1e4) / 1e6), { min: 1, max: 100 });
  const by = element("select", {}, element("option", { value: "anchor" }, "a point is in it"),
    element("option", { value: "overlap" }, "the box is in it"));
  const show = () => { [point.hidden, share.hidden] = [by.value !== "anchor", by.value !== "overlap"]; };
  by.value = more.by ?? "anchor";
  show();
  return [field("Inside when", by, (value) => {
    set("by")(value);
    show();
  }), point, share];
}

/**
 * @param {string[]} names
 * @param {string} chosen
 */
function choice(names, chosen) {
  const made = element("select", {}, ...names.map((name) => element("option", { value: name }, name.replace("_", " "))));
  made.value = chosen;
  return made;
}

/** @param {Kind} kind @param {Settings} more @param {Setter} set */
function finer(kind, more, set) {
  const fields = kind === "line"
    ? [number("Band around the line", more.band ?? 0.01, "of the height", set("band"), { max: 0.5 })]
    : [number("Enters after", more.enter_after_s ?? 0, "s", set("enter_after_s")),
      number("Leaves after", more.exit_after_s ?? 0.5, "s", set("exit_after_s")),
      number("Lost after", more.lost_after_s ?? 3, "s", set("lost_after_s"))];
  return element("details", {}, element("summary", {}, "Finer settings"), field("Point that counts", choice(anchorNames, more.anchor ?? ANCHOR), set("anchor")), ...fields);
}

/**
 * A box for the name of a class, and the list that it offers.
 * @param {string[]} names
 * @param {string} placeholder
 */
export function classBox(names, placeholder) {
  const list = element("datalist", { id: `classes-${(made += 1)}` }, ...names.map((name) => element("option", { value: name })));
  return { input: element("input", { type: "text", list: list.id, placeholder, maxlength: 128, autocomplete: "off" }), list };
}

/**
 * The classes that count, or that a mask hides, each with a button to remove it, and a box to add one.
 * @param {Draft} draft
 * @param {string[]} classes
 * @param {(names: string[]) => void} set
 */
function classFilter(draft, classes, set) {
  const chips = element("span", { class: "chips" });
  const { input: box, list } = classBox(classes, "add a class");
  const isMask = draft.shape?.kind === "mask";
  const chosen = () => draft.shape?.more.classes ?? [];
  const fill = () => {
    chips.replaceChildren(...chosen().map((name) => {
      const chip = element("button", { type: "button", class: "chip", "aria-label": `${isMask ? "Report" : "Do not count"} ${name}` }, `${name} ×`);
      chip.addEventListener("click", () => update(chosen().filter((other) => other !== name)));
      return chip;
    }));
    if (!chosen().length) chips.append(element("span", { class: "quiet" }, isMask ? "anything" : "everything"));
  };
  /** @param {string[]} names */
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
  const row = field(isMask ? "Never reports" : "Counts", box, () => classes.includes(box.value) && add());
  row.insertBefore(chips, box);
  row.append(list);
  fill();
  return row;
}
