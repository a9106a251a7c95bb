// One camera's tile: its newest frame, and the words and numbers around it.

/**
 * @import { Box, FrameHeader, Version } from "../../page"
 * @import { CameraMetrics, CameraStatus, DetectedObject, NodeStatus, ZoneState } from "../../wire"
 * @import { ServerClock } from "../common/clock.js"
 */

import { context2d, element } from "../common/dom.js";
import { duration, time } from "../common/format.js";
import { called, label } from "../common/names.js";
import { Notices } from "../notices/notices.js";
import { draw, ground } from "../picture/draw.js";
import { LookLog } from "../picture/looks.js";
import { show } from "../picture/options.js";
import { TrackLog } from "../picture/tracks.js";
import { linkTo } from "./address.js";
import { Facts } from "./facts.js";

const STALE_MS = 1000; // a frame that the server received longer ago is not drawn

export class Tile {
  #canvas = element("canvas", { role: "img" });
  #context = context2d(this.#canvas);
  /** @type {{bitmap: ImageBitmap, header: FrameHeader} | null} */
  #shown = null;
  /** @type {{jpeg: Uint8Array<ArrayBuffer>, header: FrameHeader} | null} */
  #next = null;
  #decoding = false;
  #fresh = true; // the first frame of a connection is drawn however old it is
  #paused = false;
  #blind = false; // whether the camera gives no pictures
  #facts;
  #state = element("span", { class: "state" });
  #notice = element("p", { class: "notice alone" }, "Waiting for the first picture");

  frame = element("div", { class: "frame" }, this.#canvas);
  stage = element("div", { class: "stage" }, this.frame, this.#notice);
  tools = element("div", { class: "tools" });
  tracks = new TrackLog();
  looks = new LookLog();
  /** @type {Map<string, ZoneState>} By zone or line. */
  numbers = new Map();
  /** @type {number | null} */
  selected = null; // a track's id
  hidesZones = false; // while they are edited
  /** @type {((object: DetectedObject | null) => void) | undefined} */
  onpick = undefined; // called with the object that was clicked
  /** @type {(() => void) | undefined} */
  onback = undefined; // called when the zones are to be put back where the view was
  /** @type {Version | undefined} */
  zones = undefined;
  /** @type {CameraStatus | undefined} */
  status = undefined;
  /** @type {NodeStatus | null | undefined} */
  nodeStatus = undefined;
  /** @type {string | undefined} */
  refused = undefined; // why the viewer does not show the newest picture
  /** @type {CameraMetrics | undefined} */
  metrics = undefined;
  canMask = false; // whether the node knows masks: older ones do not
  canName = false; // the same of names for people
  canAccept = false; // the same of what is wrong with pictures
  /** @type {Record<string, { name: string | null }> | null} */
  schedules = null; // the node's, by identifier; null: it knows none
  isKnown = false; // whether everything about the camera has arrived

  /**
   * @param {string} node
   * @param {string} camera
   * @param {ServerClock} clock
   * @param {() => void} done Called once for each frame that was given to `add`.
   */
  constructor(node, camera, clock, done) {
    this.node = node;
    this.camera = camera;
    this.clock = clock;
    this.done = done;
    this.notices = new Notices(this, linkTo(node, camera));
    this.#facts = new Facts(clock);
    this.root = this.#build();
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
  }

  /** @returns {HTMLElement} */
  #build() {
    this.#canvas.addEventListener("click", (event) => this.onpick?.(this.objectAt(event)));
    return element(
      "article",
      { class: "tile", "data-node": this.node, "data-camera": this.camera },
      element("header", {},
        element("h2", {}, element("a", { href: linkTo(this.node, this.camera) }, label(this.node, this.camera))),
        element("span", { class: "quiet" }, label(this.node)), this.notices.mark, this.#state),
      this.stage,
      this.notices.root,
      this.tools,
      element("div", { class: "foot" },
        this.#facts.root,
        element("a", { class: "button", href: linkTo(this.node, this.camera, "line") }, "Draw a counting line")),
    );
  }

  /**
   * Accepts a frame. Of the waiting frames, only the newest is decoded.
   * @param {FrameHeader} header
   * @param {Uint8Array<ArrayBuffer>} jpeg
   */
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
        const bitmap = jpeg.length
          ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }))
          : ground(header.picture);
        this.#blind = !jpeg.length;
        if (this.#paused) bitmap.close();
        else this.#show(bitmap, header);
      } catch (error) {
        console.warn(`${this.node}/${this.camera}: picture ${header.picture.seq} cannot be drawn`, error);
      }
      this.done();
    }
    this.#decoding = false;
  }

  /** @param {ImageBitmap} bitmap @param {FrameHeader} header */
  #show(bitmap, header) {
    const first = this.#shown === null;
    this.#shown?.bitmap.close();
    this.#shown = { bitmap, header };
    this.tracks.add(header.detections);
    this.looks.add(header.detections);
    if (first) this.refresh();
    this.stage.style.setProperty("--ratio", String(bitmap.width / bitmap.height));
    this.repaint();
    if (this.#facts.note(header)) this.refresh();
  }

  /** Draws the frame again: it is new, or something over it has changed. */
  repaint() {
    if (!this.#shown) return;
    const { bitmap, header: { picture, detections } } = this.#shown;
    const over = {
      zones: this.hidesZones ? undefined : this.zones, filters: this.zones?.filters, numbers: this.numbers, tracks: this.tracks,
      looks: this.looks, show, selected: this.selected,
    };
    draw(this.#context, bitmap, detections, over, this.#canvas.width / (this.#canvas.clientWidth || 1));
    Object.assign(this.#canvas.dataset, {
      session: picture.session, seq: picture.seq, boxesSeq: detections.seq, ignored: detections.ignored.length,
      boxes: JSON.stringify(detections.objects.map((object) => [object.track_id, ...object.box])),
    });
  }

  /** Gives the canvas as many pixels as the screen has there, so that lines and letters are sharp. */
  #resize() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(this.#canvas.clientWidth * scale);
    const height = Math.round(this.#canvas.clientHeight * scale);
    if (!width || !height || (width === this.#canvas.width && height === this.#canvas.height)) return;
    Object.assign(this.#canvas, { width, height });
    this.repaint();
  }

  /** @param {Version | null} zones */
  setZones(zones) {
    this.zones = zones ?? undefined;
    this.repaint();
  }

  /** @param {string} name @param {ZoneState | null} numbers */
  setNumbers(name, numbers) {
    if (numbers) this.numbers.set(name, numbers);
    else this.numbers.delete(name);
  }

  /** Draws the next frame however old it is: after a reconnect there is none newer. */
  reconnected() {
    this.#fresh = true;
    this.notices.setSuspects([]); // those that are still there follow
  }

  /**
   * Holds this frame, or continues with the newest.
   * @param {boolean} paused
   */
  pause(paused) {
    this.#paused = paused;
    this.#fresh = true;
    this.stage.dataset.paused = String(paused);
    this.refresh();
  }

  get paused() {
    return this.#paused;
  }

  /** Whether this is the camera whose page is open. */
  get isSolo() {
    return this.root.classList.contains("solo");
  }

  /** The frame's width over its height. */
  get aspect() {
    return this.#shown ? this.#shown.bitmap.width / this.#shown.bitmap.height : 16 / 9;
  }

  /** The detections of the frame that is drawn. */
  get detections() {
    return this.#shown?.header.detections;
  }

  /**
   * The smallest object under a pointer event, or null.
   * @param {MouseEvent} event
   */
  objectAt({ offsetX, offsetY }) {
    const [x, y] = [offsetX / this.#canvas.clientWidth, offsetY / this.#canvas.clientHeight];
    const under = (this.detections?.objects ?? []).filter(({ box }) => box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3]);
    /** @param {DetectedObject} object */
    const size = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    return under.sort((a, b) => size(a) - size(b))[0] ?? null;
  }

  /**
   * Part of the picture, without what is drawn over it, on a canvas of its own.
   * @param {Box} box
   * @param {number} side Length of the longer one, CSS pixels.
   */
  cutOut([x1, y1, x2, y2], side) {
    if (!this.#shown) return null;
    const { bitmap } = this.#shown;
    const [width, height] = [(x2 - x1) * bitmap.width, (y2 - y1) * bitmap.height];
    const scale = side / Math.max(width, height, 1);
    const canvas = element("canvas", { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
    context2d(canvas).drawImage(bitmap, x1 * bitmap.width, y1 * bitmap.height, width, height, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  /** Brings the words and numbers around the picture up to date; called once a second. */
  refresh() {
    const now = this.clock.now();
    const quiet = this.#facts.isQuiet(now, this.stage.dataset.seen === "true") && this.#shown !== null && !this.#paused;
    this.#refreshState();
    this.#refreshNotice(quiet, now);
    const count = this.detections?.objects.length ?? 0;
    this.#facts.refresh(this.#shown?.header, this.isLive, quiet || this.#paused, this.metrics);
    this.notices.refresh(now);
    const about = this.#shown ? `${count} objects in the last picture` : "no picture yet";
    const name = called(this.node, this.camera);
    this.root.setAttribute("aria-label", `Camera ${name}`);
    this.#canvas.setAttribute("aria-label", `${this.#paused ? "Held" : "Live"} picture of camera ${name}: ${about}`);
  }

  /** Whether the numbers that were heard last are of now: docs/reference/wire.md, "Live, or left over". */
  get isLive() {
    return this.nodeStatus?.status === "online" && ["streaming", "paused"].includes(this.status?.status ?? "");
  }

  #refreshState() {
    const offline = this.nodeStatus?.status === "offline";
    const status = offline ? "node offline" : (this.status?.status ?? "unknown");
    this.#state.textContent = status;
    this.#state.dataset.state = offline ? "bad" : (status === "streaming" ? "good" : "wait");
  }

  /** @param {boolean} quiet No frame has arrived lately. @param {number} now */
  #refreshNotice(quiet, now) {
    const text = this.#noticeText(quiet, now);
    this.stage.dataset.old = String(quiet);
    this.#notice.hidden = !text;
    this.#notice.textContent = text;
    this.#notice.classList.toggle("alone", !this.#shown);
  }

  /** @param {boolean} quiet @param {number} now */
  #noticeText(quiet, now) {
    const { status, reason, since_us: since = 0 } = this.status ?? {};
    const wrong = this.nodeStatus?.reason;
    if (this.nodeStatus?.status === "offline") return `The node is offline${wrong ? `: ${wrong}` : ""}`;
    if (status === "reconnecting") return `Camera lost since ${time(since / 1000)}${reason ? `: ${reason}` : ""}`;
    if (status === "paused" && reason) return `Paused since ${time(since / 1000)}: ${reason}`;
    if (status === "ended") return `The source ended at ${time(since / 1000)}`;
    if (this.refused && (quiet || !this.#shown)) return `The viewer refused the newest picture: ${this.refused}`;
    if (!this.#shown) return "Waiting for the first picture";
    const { picture, detections } = this.#shown.header;
    if (this.#paused) return `Paused at ${time(detections.captured_us / 1000)}`;
    if (this.#blind && !quiet) return "No pictures: this camera sends only what it has detected";
    if (!quiet && picture.matched === false) return "The boxes may be of another frame: this picture does not say which one it shows";
    return quiet ? `No new picture for ${duration((now - picture.received_us / 1000) / 1000)}` : "";
  }
}
