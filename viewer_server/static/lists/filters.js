// The fields above a list that say what is wanted. The page's address keeps them, so that it can be sent to others.

import { byId } from "../common/dom.js";

/** @template {string} Name */
export class Filters {
  #asked = new URLSearchParams(location.search);

  /**
   * @param {Record<Name, HTMLInputElement | HTMLSelectElement>} fields
   * @param {() => void} changed
   */
  constructor(fields, changed) {
    this.fields = fields;
    for (const [name, field] of this.#each()) {
      if (!isEmptyChoice(field)) field.value = this.#asked.get(name) ?? "";
    }
    const form = byId("filters");
    const take = () => {
      this.#remember();
      changed();
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", take);
    form.addEventListener("reset", () => setTimeout(take)); // the fields are cleared after the event
  }

  /** What is chosen; what the address says, while the choices are not there yet. @param {Name} name */
  chosen(name) {
    const field = this.fields[name];
    return isEmptyChoice(field) ? this.#asked.get(name) : field.value;
  }

  /** A moment, microseconds; undefined where none is given. @param {Name} name */
  moment(name) {
    const { value } = this.fields[name];
    return value ? new Date(value).getTime() * 1000 : undefined;
  }

  /**
   * Offers choices; what is chosen stays.
   * @param {Name} name
   * @param {[string, string][]} options Value and text of each.
   */
  offer(name, options) {
    const select = this.fields[name];
    if (!(select instanceof HTMLSelectElement)) return;
    if (options.join("\n") === [...select.options].map(({ value, text }) => [value, text]).join("\n")) return;
    const kept = this.chosen(name);
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (kept !== null && options.some(([value]) => value === kept)) select.value = kept;
  }

  #each() {
    return /** @type {[Name, HTMLInputElement | HTMLSelectElement][]} */ (Object.entries(this.fields));
  }

  /** Writes the fields into the address. */
  #remember() {
    const kept = new URLSearchParams();
    for (const [name, { value }] of this.#each()) if (value) kept.set(name, value);
    history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
  }
}

/** @param {HTMLInputElement | HTMLSelectElement} field */
const isEmptyChoice = (field) => field instanceof HTMLSelectElement && field.options.length === 0;
