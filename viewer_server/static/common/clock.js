// The server's clock, estimated from here: a browser's own may be minutes off.

const REMEMBERED = 8;

/** Milliseconds since 1970 by this browser, finer than Date.now() and never stepping back. */
export const here = () => performance.timeOrigin + performance.now();

export class ServerClock {
  #samples = [];

  /** Something the server said about its time, on its way for an unknown while. Good enough until a ping is back. */
  guess(serverMs) {
    if (!this.#samples.length) this.#samples.push({ trip: Infinity, offset: serverMs - here() });
  }

  /** A ping came back: the server's time lies between `sentMs` and now, most likely half-way. */
  pong(sentMs, serverMs) {
    const now = here();
    this.#samples.push({ trip: now - sentMs, offset: serverMs - (sentMs + now) / 2 });
    if (this.#samples.length > REMEMBERED) this.#samples.shift();
  }

  /** Server minus browser, milliseconds, by the quickest ping of the last few: the least uncertain one. */
  get offset() {
    if (!this.#samples.length) return 0;
    return this.#samples.reduce((best, sample) => (sample.trip < best.trip ? sample : best)).offset;
  }

  now() {
    return here() + this.offset;
  }

  /** A new connection may lead to another server. */
  reset() {
    this.#samples = [];
  }
}
