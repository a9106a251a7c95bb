// The websocket: comes back by itself, asks for no more frames than the page can draw, notices silence.
// The messages are documented in viewer_server/live/updates.py.

import { here } from "../common/clock.js";

const WINDOW = 6; // frames on their way to us
const GRANT = 3; // told in lots: half as many messages
const PING_MS = 5000;
const SILENCE_MS = 12000;
const TOO_MANY = 1013;
const MAX_MESSAGE = 4096; // the server reads no longer ones

export class Connection {
  #socket = null;
  #handled = 0; // frames done with that the server was not told about yet
  #attempt = 0;
  #retry = 0;
  #ping = 0;
  #heardAt = 0;
  #watched = null; // what was said last, to be said to the next server

  /**
   * @param {object} on Callbacks: message(object), frame(ArrayBuffer), state(kind, text).
   */
  constructor(on) {
    this.on = on;
    document.addEventListener("visibilitychange", () => this.#wake());
    window.addEventListener("online", () => this.#wake());
    this.#open();
  }

  /** One frame was drawn or thrown away. A hidden page draws none and asks for none. */
  done() {
    this.#handled += 1;
    this.#grant();
  }

  /** The cameras whose frames are wanted, as pairs of node and camera. */
  watch(cameras) {
    const text = JSON.stringify({ type: "watch", cameras });
    this.#watched = text.length < MAX_MESSAGE ? text : JSON.stringify({ type: "watch", cameras: null });
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(this.#watched);
  }

  #open() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.on.state("wait", this.#attempt ? "Reconnecting" : "Connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = (event) => {
      if (event.code === 1006) askForLogin();
      this.#closed(socket, event);
    };
    this.#socket = socket;
  }

  #opened(socket) {
    this.#attempt = 0;
    this.#handled = WINDOW;
    this.#heardAt = here();
    if (this.#watched) socket.send(this.#watched);
    this.#grant();
    const ping = () => {
      if (here() - this.#heardAt > SILENCE_MS) this.#drop(socket);
      else socket.send(JSON.stringify({ type: "ping", client_ms: here() }));
    };
    clearInterval(this.#ping);
    this.#ping = setInterval(ping, PING_MS);
    for (let i = 0; i < 3; i += 1) setTimeout(() => socket.readyState === WebSocket.OPEN && ping(), i * 300);
  }

  #heard(data) {
    this.#heardAt = here();
    if (typeof data === "string") this.on.message(JSON.parse(data));
    else this.on.frame(data);
  }

  #grant() {
    if (document.hidden || this.#handled < GRANT || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type: "ready", frames: this.#handled }));
    this.#handled = 0;
  }

  /** Give a silent connection up without waiting for the network to agree. */
  #drop(socket) {
    socket.onclose = null;
    socket.close();
    this.#closed(socket, { code: 1006, reason: "" });
  }

  #closed(socket, event) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearInterval(this.#ping);
    this.#askToLogIn();
    const full = event.code === TOO_MANY;
    const longest = full ? 15000 : Math.min(8000, 500 * 2 ** this.#attempt);
    this.#attempt += 1;
    // Half of it is chance, so that a hundred pages do not come back in the same instant.
    this.#countDown(here() + longest * (0.5 + Math.random() / 2), full ? "The viewer is full" : "Connection lost");
  }

  /** A refused handshake does not say why: the viewer may want a login, since the session ended. */
  async #askToLogIn() {
    const answer = await fetch("/api/v1/session").catch(() => null);
    if (answer?.status === 401) location.assign("/login");
  }

  #countDown(at, why) {
    const left = Math.ceil((at - here()) / 1000);
    if (left <= 0) return this.#open();
    this.on.state("bad", `${why}, trying again in ${left} s`);
    this.#retry = setTimeout(() => this.#countDown(at, why), Math.min(1000, at - here()));
  }

  #wake() {
    if (document.hidden) return;
    if (this.#retry) this.#open();
    else this.#grant();
  }
}

/** A browser is not told why a websocket was refused; where a login is asked for, the way there is shown. */
async function askForLogin() {
  try {
    const { status } = await fetch("/api/v1/session");
    if (status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.hash)}`);
  } catch {
    // the viewer is away, which the countdown says
  }
}
