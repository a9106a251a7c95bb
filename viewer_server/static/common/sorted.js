// The order in which named things are shown.

/**
 * The value of the next key in alphabetical order; undefined at the end.
 * @template T
 * @param {Map<string, T>} map
 * @param {string} key
 */
export function nextOf(map, key) {
  const names = [...map.keys()].sort();
  const next = names.at(names.indexOf(key) + 1);
  return next === undefined ? undefined : map.get(next);
}
