// The websocket: it reconnects by itself, asks for no more frames than the page can draw, and notices silence.
// viewer_server/live/updates.py describes the messages.

/** @import { Message } from "../../page" */

import { here } from "../common/clock.js";

const WINDOW = 6; // frames that may be on their way to this page
const GRANT = 3; // frames asked for at once, which halves the number of messages
const PING_MS = 5000;
const VISIT_MS = 3_600_000; // an open page is a visit, and only a request prolongs the login
const SILENCE_MS = 12000;
const TOO_MANY = 1013;
const ABNORMAL = 1006;
const APART_MS = 250; // between two messages that say what is on the screen
const NOTHING = JSON.stringify({ type: "show", cameras: [] });

export class Connection {
  /** @type {WebSocket | null} */
  #socket = null;
  #handled = 0; // frames that were drawn or thrown away since the server was last told
  #attempt = 0;
  #retry = 0;
  #ping = 0;
  #heardAt = 0;
  #visitedAt = here();
  /** @type {Map<"show" | "watch", string>} */
  #asked = new Map(); // the last message of each type, which the next server must be sent again
  /** @type {Map<"show" | "watch", number>} */
  #pauses = new Map(); // timers of what was sent a moment ago
  /** @type {Map<"show" | "watch", number>} */
  #held = new Map(); // how many messages such a pause has held back

  /**
   * @param {{
   *   message: (message: Message) => void,
   *   frame: (data: ArrayBuffer) => void,
   *   state: (kind: "wait" | "bad", text: string) => void,
   * }} on Called with what arrives, and while there is no connection.
   */
  constructor(on) {
    this.on = on;
    document.addEventListener("visibilitychange", () => this.#wake());
    window.addEventListener("online", () => this.#wake());
    this.#open();
  }

  /** One frame was drawn or thrown away: the server may send another. A hidden page asks for none. */
  done() {
    this.#handled += 1;
    this.#grant();
  }

  /**
   * Asks for details ("show") or frames ("watch") of these cameras and of no others.
   * @param {"show" | "watch"} type
   * @param {[string, string][]} cameras Node and camera of each.
   */
  ask(type, cameras) {
    const text = JSON.stringify({ type, cameras });
    if (this.#asked.get(type) === text) return;
    this.#asked.set(type, text);
    if (this.#pauses.has(type)) this.#held.set(type, (this.#held.get(type) ?? 0) + 1);
    else this.#tell(type);
  }

  /**
   * Says what is on the screen, and then no more for a moment: whoever scrolls changes it all the time.
   * @param {"show" | "watch"} type
   */
  #tell(type) {
    this.#send(this.#asked.get(type) ?? "");
    clearTimeout(this.#pauses.get(type));
    this.#pauses.set(type, setTimeout(() => {
      this.#pauses.delete(type);
      const held = this.#held.get(type) ?? 0;
      this.#held.delete(type);
      // The page may have dropped tiles and made them anew in the pause: the viewer has to tell their details again.
      if (held > 1 && type === "show") this.#send(NOTHING);
      if (held) this.#tell(type);
    }, APART_MS));
  }

  /** @param {string} text */
  #send(text) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  #open() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.on.state("wait", this.#attempt ? "Reconnecting" : "Connecting");
    const address = new URL("ws?first=names", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = (event) => this.#closed(socket, event.code);
    this.#socket = socket;
  }

  /** @param {WebSocket} socket */
  #opened(socket) {
    this.#attempt = 0;
    this.#handled = WINDOW;
    this.#heardAt = here();
    for (const type of this.#asked.keys()) this.#tell(type);
    this.#grant();
    const ping = () => {
      if (here() - this.#heardAt > SILENCE_MS) this.#drop(socket);
      else socket.send(JSON.stringify({ type: "ping", client_ms: here() }));
      if (here() - this.#visitedAt > VISIT_MS) {
        this.#visitedAt = here();
        askForLogin();
      }
    };
    clearInterval(this.#ping);
    this.#ping = setInterval(ping, PING_MS);
    for (let i = 0; i < 3; i += 1) setTimeout(() => socket.readyState === WebSocket.OPEN && ping(), i * 300);
  }

  /** @param {string | ArrayBuffer} data */
  #heard(data) {
    this.#heardAt = here();
    if (typeof data === "string") this.on.message(JSON.parse(data));
    else this.on.frame(data);
  }

  #grant() {
    if (document.hidden || this.#handled < GRANT || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#send(JSON.stringify({ type: "ready", frames: this.#handled }));
    this.#handled = 0;
  }

  /**
   * Gives up a silent connection without waiting for the network to close it.
   * @param {WebSocket} socket
   */
  #drop(socket) {
    socket.onclose = null;
    socket.close();
    this.#closed(socket, ABNORMAL);
  }

  /** @param {WebSocket} socket @param {number} code */
  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearInterval(this.#ping);
    askForLogin();
    const full = code === TOO_MANY;
    const longest = full ? 15000 : Math.min(8000, 500 * 2 ** this.#attempt);
    this.#attempt += 1;
    // Half of the wait is random, so that a hundred pages do not come back in the same instant.
    this.#countDown(here() + longest * (0.5 + Math.random() / 2), full ? "The viewer is full" : "Connection lost");
  }

  /** @param {number} at @param {string} why */
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

/** Goes to the login page if the viewer asks for a login: a closed websocket does not tell the browser why. */
async function askForLogin() {
  const answer = await fetch("api/v1/session").catch(() => null); // the countdown says that the viewer is away
  if (answer?.status === 401) location.assign("login");
}
