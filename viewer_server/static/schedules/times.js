// Moments of a node in words, in the node's own time zone.

const SOON_MS = 43_200_000; // a moment within half a day is told by its time alone

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * A format in a time zone; one that the browser does not know, or null, is the browser's own.
 * @param {string | null | undefined} timezone
 * @param {Intl.DateTimeFormatOptions} options
 */
function formatOf(timezone, options) {
  const key = JSON.stringify([timezone, options]);
  const known = formats.get(key);
  if (known) return known;
  let made;
  try {
    made = new Intl.DateTimeFormat(undefined, { ...options, timeZone: timezone ?? undefined });
  } catch {
    made = new Intl.DateTimeFormat(undefined, options);
  }
  formats.set(key, made);
  return made;
}

/**
 * Time of day in the node's time zone, with the day where it is not near.
 * @param {number} us Microseconds since 1970.
 * @param {string | null | undefined} timezone
 * @param {number} now Milliseconds since 1970.
 */
export function clockTime(us, timezone, now = Date.now()) {
  const isNear = Math.abs(us / 1000 - now) < SOON_MS;
  /** @type {Intl.DateTimeFormatOptions} */
  const day = isNear ? {} : { weekday: "short", day: "numeric", month: "short" };
  return formatOf(timezone, { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(us / 1000);
}

/**
 * A moment's date and weekday, such as "Mon, 3 Aug".
 * @param {number} us
 * @param {string | null | undefined} timezone
 */
export const dayName = (us, timezone) => formatOf(timezone, { weekday: "short", day: "numeric", month: "short" }).format(us / 1000);
