// Estimates the server's clock: a browser's own may be minutes off.

const REMEMBERED = 8;

/** Milliseconds since 1970 by this browser's clock, finer than Date.now(). They never go back. */
export const here = () => performance.timeOrigin + performance.now();

export class ServerClock {
  /** @type {{trip: number, offset: number}[]} */
  #samples = [];

  /**
   * A first estimate, from a message that was on its way for an unknown time. The first ping replaces it.
   * @param {number} serverMs
   */
  guess(serverMs) {
    if (!this.#samples.length) this.#samples.push({ trip: Infinity, offset: serverMs - here() });
  }

  /**
   * Learns from the answer to a ping. The server read its clock between `sentMs` and now, most likely half-way.
   * @param {number} sentMs
   * @param {number} serverMs
   */
  pong(sentMs, serverMs) {
    const now = here();
    this.#samples.push({ trip: now - sentMs, offset: serverMs - (sentMs + now) / 2 });
    if (this.#samples.length > REMEMBERED) this.#samples.shift();
  }

  /** Server minus browser, milliseconds, by the quickest of the last pings: it is the least uncertain. */
  get offset() {
    if (!this.#samples.length) return 0;
    return this.#samples.reduce((best, sample) => (sample.trip < best.trip ? sample : best)).offset;
  }

  now() {
    return here() + this.offset;
  }

  /** Forgets the estimate: a new connection may lead to another server. */
  reset() {
    this.#samples = [];
  }
}
