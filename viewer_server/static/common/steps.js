// Undo and redo of whatever can be written down as text; quick changes of one kind are one step.

const MERGE_MS = 1000;

export class Steps {
  /** @type {string[]} */
  #past = [];
  /** @type {string[]} */
  #future = [];
  /** @type {{key: string | null, at: number}} */
  #last = { key: null, at: 0 };

  /**
   * @param {() => string} state What an undo has to bring back.
   * @param {(state: string) => void} restore
   */
  constructor(state, restore) {
    this.state = state;
    this.restore = restore;
  }

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

  forget() {
    this.#past = [];
    this.#future = [];
  }

  undo() {
    this.#go(this.#past, this.#future);
  }

  redo() {
    this.#go(this.#future, this.#past);
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
