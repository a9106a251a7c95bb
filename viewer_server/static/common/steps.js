// Undo and redo of whatever can be written down as text.

const MERGE_MS = 1000;

/** @abstract */
export class Steps {
  /** @type {string[]} */
  #past = [];
  /** @type {string[]} */
  #future = [];
  /** @type {{key: string | null, at: number}} */
  #last = { key: null, at: 0 };

  /** What an undo has to bring back. */
  state() {
    return "";
  }

  /** @param {string} _state */
  restore(_state) {}

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * Makes a change that can be undone.
   * @param {() => void} change
   * @param {string | null} key Changes of the same key in quick succession are one step.
   */
  edit(change, key = null) {
    const now = performance.now();
    if (key === null || key !== this.#last.key || now - this.#last.at > MERGE_MS) this.#past.push(this.state());
    this.#last = { key, at: now };
    this.#future = [];
    change();
  }

  /** Makes the next change a step of its own, however soon it comes. */
  pause() {
    this.#last.key = null;
  }

  undo() {
    this.#go(this.#past, this.#future);
  }

  redo() {
    this.#go(this.#future, this.#past);
  }

  forget() {
    [this.#past, this.#future] = [[], []];
  }

  /** @param {string[]} from @param {string[]} to */
  #go(from, to) {
    const state = from.pop();
    if (state === undefined) return;
    to.push(this.state());
    this.restore(state);
    this.pause();
  }
}
