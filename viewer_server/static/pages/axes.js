// Round numbers, times and scales: what every chart needs.

/**
 * A linear map of one range onto another.
 * @param {number} from
 * @param {number} to
 * @param {number} begin
 * @param {number} end
 * @returns {(value: number) => number}
 */
export const linear = (from, to, begin, end) => (value) => begin + ((value - from) / (to - from || 1)) * (end - begin);

/**
 * Round whole numbers from 0 up to at least `most`.
 * @param {number} most
 * @param {number} count About how many are wanted.
 */
export function roundTicks(most, count) {
  const rough = Math.max(most, 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((one) => one * power >= rough) ?? 10;
  const step = Math.max(1, Math.round(factor * power));
  const ticks = [0, step];
  for (let last = step; last < most; ticks.push(last)) last += step;
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

/**
 * A moment as local date and time; with seconds where steps are shorter than a minute.
 * @param {number} ms
 * @param {number} stepMs
 */
export const moment = (ms, stepMs = MINUTE) => (stepMs < MINUTE ? exact : both).format(ms);

/**
 * Moments at which local clocks show round times, with their labels.
 * @param {number} from
 * @param {number} to
 * @param {number} most How many at most.
 */
export function timeTicks(from, to, most) {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS[STEPS.length - 1];
  const at = new Date(from);
  at.setHours(0, 0, 0, 0);
  const ticks = [];
  for (let index = 0; Number(at) <= to && index < 5000; index += 1) {
    const midnight = at.getHours() === 0 && at.getMinutes() === 0;
    if (Number(at) >= from) ticks.push({ at: Number(at), text: (midnight ? date : clock).format(at), strong: midnight });
    // By the calendar, so that days with 23 or 25 hours have their midnights where they are.
    if (step >= DAY) at.setDate(at.getDate() + step / DAY);
    else at.setMinutes(at.getMinutes() + step / MINUTE);
  }
  return ticks;
}

/** The name of the local clock, such as "CET". */
export function zoneName() {
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(Date.now());
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local time";
}
