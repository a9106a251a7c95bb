// Fields for moments of a day: at a time of the clock, or before and after sunrise and sunset.

import { element } from "../common/dom.js";

const END = "24:00";

/**
 * A moment, as a list of kinds and the field that belongs to the kind.
 * @param {string} called What it is, for those who do not see it.
 * @param {string} moment As on the wire.
 * @param {boolean} isEnd Whether 00:00 stands for the end of the day.
 * @param {(moment: string) => void} set
 */
export function momentField(called, moment, isEnd, set) {
  const found = moment.match(/^(sunrise|sunset)([+-]\d+)?$/);
  const kind = element("select", { "aria-label": called },
    ...["at", "sunrise", "sunset"].map((one) => element("option", { value: one }, one)));
  const clock = element("input", { type: "time", required: "", "aria-label": `${called}: time` });
  const offset = element("input", { type: "number", min: -999, max: 999, step: 1, "aria-label": `${called}: minutes after, or with a minus before` });
  kind.value = found ? found[1] : "at";
  clock.value = found ? (isEnd ? "18:00" : "08:00") : (moment === END ? "00:00" : moment);
  offset.value = String(Number(found?.[2] ?? 0));
  const unit = element("span", { class: "quiet" }, "min");
  const show = () => {
    clock.hidden = kind.value !== "at";
    offset.hidden = unit.hidden = !clock.hidden;
  };
  const tell = () => {
    show();
    if (kind.value === "at") {
      if (clock.value) set(isEnd && clock.value === "00:00" ? END : clock.value.slice(0, 5));
      return;
    }
    const minutes = Math.trunc(Number(offset.value));
    if (offset.validity.valid) set(`${kind.value}${minutes ? (minutes > 0 ? "+" : "-") + Math.abs(minutes) : ""}`);
  };
  for (const one of [kind, clock, offset]) one.addEventListener("input", tell);
  show();
  return element("span", { class: "moment" }, kind, clock, offset, unit);
}

/** @param {string} moment "HH:MM". @returns {number | null} Minutes of the day; null by the sun. */
export function minutesOf(moment) {
  const found = moment.match(/^(\d\d):(\d\d)$/);
  return found ? Number(found[1]) * 60 + Number(found[2]) : null;
}

/** @param {number} minutes Of the day, up to 1440. */
export const textOf = (minutes) => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
