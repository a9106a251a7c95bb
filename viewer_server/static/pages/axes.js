// Elements of SVG, round numbers and scales: what every chart is made of.

const SPACE = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A straight map of [from, to] onto [begin, end]. */
export const linear = (from, to, begin, end) => (value) => begin + ((value - from) / (to - from || 1)) * (end - begin);

/** Round values from 0 up to at least `most`, about `count` of them; whole numbers only where asked. */
export function roundTicks(most, count, whole) {
  const rough = Math.max(most, whole ? 1 : 1e-6) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [0];
  while (ticks.at(-1) < most) ticks.push(Number((ticks.at(-1) + step).toPrecision(12)));
  if (ticks.length === 1) ticks.push(step);
  return ticks;
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400, 43200].map((n) => n * MINUTE);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const both = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const exact = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

/** A moment, local time; with seconds where steps are shorter than a minute. */
export const moment = (ms, stepMs = MINUTE) => (stepMs < MINUTE ? exact : both).format(ms);

/** Moments at which local clocks show round times, and what to write there. */
export function timeTicks(from, to, most) {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS.at(-1);
  const at = new Date(from);
  at.setHours(0, 0, 0, 0);
  const ticks = [];
  for (let index = 0; at <= to && index < 5000; index += 1) {
    const midnight = at.getHours() === 0 && at.getMinutes() === 0;
    if (at >= from) ticks.push({ at: Number(at), text: (midnight ? date : clock).format(at), strong: midnight });
    // By the calendar, so that days with 23 or 25 hours have their midnights where they are.
    if (step >= DAY) at.setDate(at.getDate() + step / DAY);
    else at.setMinutes(at.getMinutes() + step / MINUTE);
  }
  return ticks;
}

/** The name of the local clock, such as "CET". */
export function zoneName(ms = Date.now()) {
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(ms);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local time";
}
