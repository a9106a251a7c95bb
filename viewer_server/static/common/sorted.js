// The order in which things with names are shown.

/**
 * What stands after a key in alphabetical order; undefined at the end.
 * @template T
 * @param {Map<string, T>} map
 * @param {string} key
 */
export function nextOf(map, key) {
  const names = [...map.keys()].sort();
  const next = names.at(names.indexOf(key) + 1);
  return next === undefined ? undefined : map.get(next);
}
