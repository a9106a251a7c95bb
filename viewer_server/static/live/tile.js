// One camera's tile: its newest frame, and how it is doing.

import { draw } from "./draw.js";
import { element } from "../common/dom.js";
import { duration, time } from "../common/format.js";
import { show } from "./options.js";
import { TrackLog } from "./tracks.js";

const STALE_MS = 1000; // a frame the server had for longer is not drawn any more
const FPS_OVER_MS = 3000;
const BELIEVABLE_AGE_MS = 60_000;

/** Where a camera's page is; `tool` opens it with something to draw. */
export const linkTo = (node, camera, tool) => `#/camera/${node}/${camera}${tool ? `/${tool}` : ""}`;

export class Tile {
  #canvas = element("canvas", { role: "img" });
  #context = this.#canvas.getContext("2d");
  #shown = null; // {bitmap, header}: redrawn when the tile changes size
  #next = null;
  #decoding = false;
  #fresh = true; // the first frame of a connection is drawn however old it is
  #paused = false;
  #drawn = []; // when, for the frame rate
  #ages = [];
  tracks = new TrackLog();
  numbers = new Map(); // zone or line -> its numbers
  selected = null; // a track
  hidesZones = false; // while they are being edited
  onpick = undefined; // called with what was clicked, an object or null

  /**
   * @param {string} node
   * @param {string} camera
   * @param {ServerClock} clock
   * @param {() => void} done Called once for each frame given to add().
   */
  constructor(node, camera, clock, done) {
    Object.assign(this, {
      node, camera, clock, done, zones: undefined, status: undefined, nodeStatus: undefined, metrics: undefined,
    });
    this.#build();
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
  }

  #build() {
    this.state = element("span", { class: "state" });
    [this.fps, this.age, this.objects] = [element("dd"), element("dd"), element("dd")];
    [this.analysed, this.drops, this.seen] = [element("dd"), element("dd"), element("dd")];
    this.notice = element("p", { class: "notice alone" }, "Waiting for the first picture");
    this.frame = element("div", { class: "frame" }, this.#canvas);
    this.stage = element("div", { class: "stage" }, this.frame, this.notice);
    this.tools = element("div", { class: "tools" });
    const fact = (name, value, more = "") => element("div", { class: more }, element("dt", {}, name), value);
    this.root = element(
      "article",
      { class: "tile", "aria-label": `Camera ${this.camera}` },
      element("header", {},
        element("h2", {}, element("a", { href: linkTo(this.node, this.camera) }, this.camera)),
        element("span", { class: "quiet" }, this.node), this.state),
      this.stage,
      this.tools,
      element("div", { class: "foot" },
        element("dl", {}, fact("Objects", this.objects), fact("Pictures", this.fps), fact("Age", this.age),
          fact("Analysed", this.analysed, "more"), fact("Dropped", this.drops, "more"), fact("Last seen", this.seen, "more")),
        element("a", { class: "button", href: linkTo(this.node, this.camera, "line") }, "Draw a counting line")),
    );
    this.drops.parentElement.title = "Frames of this run that the node did not report: replaced by a newer one, " +
      "held back by a rate, or not taken by the connection. Lost on the way: reported, and not received by the viewer";
    this.root.dataset.node = this.node;
    this.root.dataset.camera = this.camera;
    this.#canvas.addEventListener("click", (event) => this.onpick?.(this.objectAt(event)));
  }

  /** Take a frame: header and JPEG of one binary message. Only the newest that waits is ever decoded. */
  add(header, jpeg) {
    const { picture, detections } = header;
    const same = picture.session === detections.session && picture.seq === detections.seq;
    const old = !this.#fresh && this.clock.now() - picture.received_us / 1000 > STALE_MS;
    if (!same || old || this.#paused) return this.done();
    this.#fresh = false;
    if (this.#next) this.done();
    this.#next = { header, jpeg };
    if (!this.#decoding) this.#decode();
  }

  async #decode() {
    this.#decoding = true;
    while (this.#next) {
      const { header, jpeg } = this.#next;
      this.#next = null;
      try {
        const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        if (this.#paused) bitmap.close();
        else this.#show(bitmap, header);
      } catch (error) {
        console.warn(`${this.node}/${this.camera}: picture ${header.picture.seq} cannot be drawn`, error);
      }
      this.done();
    }
    this.#decoding = false;
  }

  #show(bitmap, header) {
    const first = this.#shown === null;
    this.#shown?.bitmap.close();
    this.#shown = { bitmap, header };
    this.tracks.add(header.detections);
    if (first) this.refresh();
    this.stage.style.setProperty("--ratio", bitmap.width / bitmap.height);
    this.#paint();
    const now = this.clock.now();
    if (now - header.picture.received_us / 1000 > STALE_MS) return; // from the snapshot: says nothing about now
    this.#drawn.push(now);
    if (this.#drawn.length === 1) this.refresh();
    this.#ages.push(now - header.detections.captured_us / 1000);
    if (this.#ages.length > 15) this.#ages.shift();
  }

  #paint() {
    const { bitmap, header } = this.#shown;
    const { picture, detections } = header;
    const over = {
      zones: this.hidesZones ? undefined : this.zones, numbers: this.numbers, tracks: this.tracks, show, selected: this.selected,
    };
    draw(this.#context, bitmap, detections, over, this.#canvas.width / (this.#canvas.clientWidth || 1));
    const data = this.#canvas.dataset;
    data.session = picture.session;
    data.seq = picture.seq;
    data.boxesSeq = detections.seq;
    data.boxes = JSON.stringify(detections.objects.map((object) => [object.track_id, ...object.box]));
  }

  /** Draw the same frame again, because something over it has changed. */
  repaint() {
    if (this.#shown) this.#paint();
  }

  /** As many pixels as the screen has there, so that lines and letters are sharp. */
  #resize() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(this.#canvas.clientWidth * scale);
    const height = Math.round(this.#canvas.clientHeight * scale);
    if (!width || !height || (width === this.#canvas.width && height === this.#canvas.height)) return;
    Object.assign(this.#canvas, { width, height });
    this.repaint();
  }

  setZones(zones) {
    this.zones = zones ?? undefined;
    this.repaint();
  }

  setNumbers(name, numbers) {
    if (numbers) this.numbers.set(name, numbers);
    else this.numbers.delete(name);
  }

  /** After a reconnect the first picture is news, whenever it was taken. */
  reconnected() {
    this.#fresh = true;
  }

  /** Hold this frame, or go on with the newest. */
  pause(paused) {
    this.#paused = paused;
    this.#fresh = true;
    this.stage.dataset.paused = paused;
    this.refresh();
  }

  get paused() {
    return this.#paused;
  }

  /** Everything on the frame that is drawn. */
  get detections() {
    return this.#shown?.header.detections;
  }

  /** The smallest object under a pointer event, or null. */
  objectAt({ offsetX, offsetY }) {
    const [x, y] = [offsetX / this.#canvas.clientWidth, offsetY / this.#canvas.clientHeight];
    const under = (this.detections?.objects ?? []).filter(({ box }) => box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3]);
    const size = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    return under.sort((a, b) => size(a) - size(b))[0] ?? null;
  }

  /** Part of the picture, without what is drawn over it, on a canvas of its own. */
  cutOut([x1, y1, x2, y2], side) {
    const { bitmap } = this.#shown;
    const [width, height] = [(x2 - x1) * bitmap.width, (y2 - y1) * bitmap.height];
    const scale = side / Math.max(width, height, 1);
    const canvas = element("canvas", { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
    canvas.getContext("2d").drawImage(bitmap, x1 * bitmap.width, y1 * bitmap.height, width, height, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  /** Once a second: the words and numbers around the picture. */
  refresh() {
    const now = this.clock.now();
    while (this.#drawn.length && now - this.#drawn[0] > FPS_OVER_MS) this.#drawn.shift();
    const quiet = this.#shown !== null && this.#drawn.length === 0 && !this.#paused;
    this.#refreshState();
    this.#refreshNotice(quiet, now);
    this.fps.textContent = this.#shown ? `${((this.#drawn.length * 1000) / FPS_OVER_MS).toFixed(1)} per s` : "–";
    const count = this.detections?.objects.length ?? 0;
    this.objects.textContent = this.#shown ? String(count) : "–";
    this.#refreshAge(quiet || this.#paused);
    this.#refreshMore();
    const about = this.#shown ? `${count} objects in the last picture` : "no picture yet";
    this.#canvas.setAttribute("aria-label", `${this.#paused ? "Held" : "Live"} picture of camera ${this.camera}: ${about}`);
  }

  #refreshState() {
    const offline = this.nodeStatus?.status === "offline";
    const status = offline ? "node offline" : (this.status?.status ?? "unknown");
    this.state.textContent = status;
    this.state.dataset.state = offline ? "bad" : (status === "streaming" ? "good" : "wait");
  }

  #refreshNotice(quiet, now) {
    const { status, reason, since_us: since } = this.status ?? {};
    let text = "";
    if (status === "reconnecting") text = `Camera lost since ${time(since / 1000)}${reason ? `: ${reason}` : ""}`;
    else if (status === "ended") text = `The source ended at ${time(since / 1000)}`;
    else if (this.#paused && this.#shown) text = `Paused at ${time(this.detections.captured_us / 1000)}`;
    else if (quiet) {
      const seen = this.#shown.header.picture.received_us / 1000;
      text = `No new picture for ${duration((now - seen) / 1000)}`;
    } else if (!this.#shown) text = "Waiting for the first picture";
    this.stage.dataset.old = quiet;
    this.notice.hidden = !text;
    this.notice.textContent = text;
    this.notice.classList.toggle("alone", !this.#shown);
  }

  #refreshAge(unknown) {
    const sorted = [...this.#ages].sort((a, b) => a - b);
    const age = sorted[sorted.length >> 1];
    const believable = age > -500 && age < BELIEVABLE_AGE_MS;
    this.age.textContent = unknown || age === undefined || !believable ? "–" : `${Math.max(0, Math.round(age))} ms`;
    this.age.parentElement.title = believable || age === undefined
      ? "From the camera to this screen. This browser's clock is corrected by " +
        `${Math.round(this.clock.offset)} ms to the viewer's (measured); the node's clock is taken to agree with that.`
      : "The frame's capture time does not fit the viewer's clock: a recording, or clocks that disagree.";
  }

  #refreshMore() {
    this.analysed.textContent = this.metrics ? `${this.metrics.fps_out.toFixed(1)} of ${this.metrics.fps_in.toFixed(1)} per s` : "–";
    const { seq, dropped } = this.detections ?? {};
    const share = dropped / (seq + 1);
    const lost = this.#shown?.header.lost;
    const byNode = `${dropped} (${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %)`;
    this.drops.textContent = seq === undefined ? "–" : byNode + (lost ? `, ${lost} lost on the way` : "");
    this.seen.textContent = this.#shown ? time(this.#shown.header.picture.received_us / 1000) : "–";
  }
}
