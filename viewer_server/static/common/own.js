// Objects whose keys are identifiers that others chose: one may be "constructor", which every object has by itself.

/**
 * The value of an object's own key; undefined where it has none.
 * @template T
 * @param {Record<string, T> | null | undefined} all
 * @param {string} key
 * @returns {T | undefined}
 */
export const own = (all, key) => (all && Object.hasOwn(all, key) ? all[key] : undefined);

/**
 * How many there are of each word, such as "2 person, 1 dog".
 * @param {string[]} words
 */
export function tally(words) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
}
