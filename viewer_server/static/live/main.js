// The live page: each message of the viewer goes to the tile, the panel or the header that shows it.

/**
 * @import { About, FrameHeader, Kind, Message, Messages } from "../../page"
 * @import { KnownNode } from "./status.js"
 * @typedef {{[T in keyof Messages]: (message: Messages[T]) => void}} Handlers
 */

import { ServerClock } from "../common/clock.js";
import { byId } from "../common/dom.js";
import { called, isolated, learnNode, learnZones } from "../common/names.js";
import { nextOf } from "../common/sorted.js";
import { CameraPage } from "./camera.js";
import { Connection } from "./connection.js";
import { EventFeed } from "./events.js";
import { showConnection, showNodes, showSteps } from "./status.js";
import { linkTo, Tile } from "./tile.js";
import { ZonePanel } from "./zones.js";

/** @param {string} node @param {string} camera */
const keyOf = (node, camera) => `${node}/${camera}`;

/**
 * What the address asks for: all cameras, or #/camera/NODE/CAMERA for one, with /line, /zone or /mask to draw on it.
 * @returns {{key: string | null, node: string, camera: string, tool: Kind | undefined}}
 */
function address() {
  const found = location.hash.match(/^#\/camera\/([^/]+)\/([^/]+)(?:\/(line|zone|mask))?$/);
  if (!found) return { key: null, node: "", camera: "", tool: undefined };
  const [, node, camera, tool] = found;
  return { key: keyOf(node, camera), node, camera, tool: /** @type {Kind | undefined} */ (tool) };
}

class LivePage {
  #clock = new ServerClock();
  /** @type {Map<string, Tile>} */
  #tiles = new Map(); // by "node/camera"
  /** @type {Map<string, KnownNode>} */
  #nodes = new Map(); // by name
  /** @type {Set<string>} */
  #announced = new Set(); // cameras that were named since the connection began
  #zones = new ZonePanel();
  #events = new EventFeed();
  #camera = new CameraPage((node) => this.#nodes.get(node)?.info?.model.classes ?? []);
  /** @type {About} */
  #about = { connected: false, broker: null, brokerAt: null, brokerUrl: "", prefix: "", link: { kind: "wait", text: "Connecting" } };
  #onScreen = new IntersectionObserver((entries) => this.#watch(entries), { rootMargin: "25%" });

  /** @type {Handlers} */
  #handlers = {
    hello: (m) => this.#hello(m),
    live: () => this.#live(),
    broker: (m) => {
      Object.assign(this.#about, { broker: m.connected, brokerAt: m.address });
      this.#refresh();
    },
    pong: (m) => this.#clock.pong(m.client_ms, m.server_us / 1000),
    status: (m) => this.#setNode(m.node, { status: m.message }),
    info: (m) => {
      if (learnNode(m.node, m.message)) this.#renamed();
      this.#setNode(m.node, { info: m.message });
    },
    metrics: (m) => this.#setNode(m.node, { metrics: m.message }),
    camera_status: (m) => this.#cameraStatus(m),
    zones: (m) => this.#zonesMessage(m),
    suspects: (m) => this.#suspectsMessage(m),
    zone: (m) => {
      this.#zones.set(m.node, m.camera, m.zone, m.message);
      this.#tiles.get(keyOf(m.node, m.camera))?.setNumbers(m.zone, m.message);
    },
    picture: (m) => {
      const tile = this.#tileOf(m.node, m.camera);
      tile.refused = m.message?.refused;
      tile.refresh();
    },
    events: (m) => {
      this.#events.add(m.message);
      this.#tiles.get(keyOf(m.message.node, m.message.camera))?.tracks.note(m.message);
    },
  };
  #connection;

  constructor() {
    this.#refresh();
    this.#connection = new Connection({
      message: (message) => this.#take(message),
      frame: (data) => this.#frame(data),
      state: (kind, text) => this.#disconnected(kind, text),
    });
    addEventListener("hashchange", (event) => this.#moved(event));
    addEventListener("beforeunload", (event) => { if (this.#camera.isUnsaved) event.preventDefault(); }); // the browser asks
    this.#route();
    setInterval(() => {
      this.#tiles.forEach((tile) => tile.refresh());
      this.#camera.refresh();
    }, 1000);
  }

  /** @param {Message} message */
  #take({ type, ...message }) {
    const handler = /** @type {((message: object) => void) | undefined} */ (this.#handlers[type]);
    handler?.(message); // a newer viewer may send others
  }

  /** @param {ArrayBuffer} data */
  #frame(data) {
    const size = new DataView(data).getUint32(0);
    /** @type {FrameHeader} */
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
    const tile = this.#tiles.get(keyOf(header.node, header.camera));
    if (tile) tile.add(header, new Uint8Array(data, 4 + size));
    else this.#connection.done();
  }

  /** @param {string} kind @param {string} text */
  #disconnected(kind, text) {
    Object.assign(this.#about, { connected: false, link: { kind, text } });
    this.#refresh();
  }

  #refresh() {
    showConnection(this.#about);
    showSteps(this.#about, [...this.#nodes.keys()], this.#tiles.size);
  }

  /** @param {Messages["hello"]} hello */
  #hello(hello) {
    Object.assign(this.#about, { connected: true, brokerUrl: hello.broker, prefix: hello.prefix });
    this.#clock.reset();
    this.#clock.guess(hello.server_us / 1000);
    this.#nodes.clear();
    this.#zones.clear();
    this.#events.clear();
    this.#announced.clear();
    this.#tiles.forEach((tile) => tile.reconnected());
  }

  /** Everything known has been sent: a camera that was not named went away while there was no connection. */
  #live() {
    for (const [key, tile] of [...this.#tiles]) {
      if (!this.#announced.has(key) && !this.#camera.holds(tile)) this.#removeTile(key);
    }
    showNodes(this.#nodes);
    this.#refresh();
  }

  /** @param {string} name @param {KnownNode} news */
  #setNode(name, news) {
    const known = { ...this.#nodes.get(name), ...news };
    if (known.status || known.info) this.#nodes.set(name, known);
    else this.#nodes.delete(name);
    for (const tile of this.#tiles.values()) if (tile.node === name) this.#tellTile(tile);
    showNodes(this.#nodes);
    this.#refresh();
  }

  /** Brings up to date what says names in a sentence. */
  #renamed() {
    this.#tiles.forEach((tile) => tile.refresh());
    this.#route();
  }

  /** @param {Tile} tile */
  #tellTile(tile) {
    const { status, info, metrics } = this.#nodes.get(tile.node) ?? {};
    tile.nodeStatus = status;
    this.#zones.setLive(keyOf(tile.node, tile.camera), tile.isLive);
    tile.canMask = info?.capabilities.includes("masks") ?? false;
    tile.canName = info?.capabilities.includes("names") ?? false;
    tile.metrics = metrics?.cameras[tile.camera];
  }

  /** @param {Messages["camera_status"]} message */
  #cameraStatus({ node, camera, message: status }) {
    if (!status) return this.#removeTile(keyOf(node, camera));
    this.#announced.add(keyOf(node, camera));
    const tile = this.#tileOf(node, camera);
    tile.status = status;
    this.#zones.setLive(keyOf(node, camera), tile.isLive);
    tile.refresh();
  }

  /** @param {Messages["zones"]} message */
  #zonesMessage({ node, camera, message: zones }) {
    this.#announced.add(keyOf(node, camera));
    this.#zones.define(node, camera, zones);
    learnZones(node, camera, zones);
    if (!zones) {
      this.#tiles.get(keyOf(node, camera))?.setZones(null);
      return;
    }
    const tile = this.#tileOf(node, camera);
    tile.setZones(zones);
    this.#camera.zonesChanged(tile);
  }

  /** @param {Messages["suspects"]} message */
  #suspectsMessage({ node, camera, message: found }) {
    if (!found) return this.#tiles.get(keyOf(node, camera))?.suspects.set([]);
    this.#announced.add(keyOf(node, camera));
    this.#tileOf(node, camera).suspects.set(found.suspects);
  }

  /** @param {string} node @param {string} camera */
  #tileOf(node, camera) {
    const key = keyOf(node, camera);
    const known = this.#tiles.get(key);
    if (known) return known;
    const tile = new Tile(node, camera, this.#clock, () => this.#connection.done());
    this.#tellTile(tile);
    this.#tiles.set(key, tile);
    this.#onScreen.observe(tile.stage);
    byId("cameras").insertBefore(tile.root, nextOf(this.#tiles, key)?.root ?? null);
    tile.refresh();
    this.#refresh();
    this.#route();
    return tile;
  }

  /** @param {string} key */
  #removeTile(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    if (this.#camera.tile === tile) this.#camera.close();
    this.#onScreen.unobserve(tile.stage);
    tile.root.remove();
    this.#tiles.delete(key);
    this.#refresh();
    this.#route();
  }

  /**
   * Tells the viewer which cameras are on the screen: it sends frames of no others.
   * @param {IntersectionObserverEntry[]} entries
   */
  #watch(entries) {
    for (const { target, isIntersecting } of entries) target.setAttribute("data-seen", String(isIntersecting));
    const seen = [...this.#tiles.values()].filter((tile) => tile.stage.dataset.seen === "true");
    this.#connection.watch(seen.map(({ node, camera }) => [node, camera]));
  }

  /** Shows what the address says. */
  #route() {
    const { key, node, camera, tool } = address();
    const tile = key === null ? undefined : this.#tiles.get(key);
    document.body.dataset.view = key === null ? "grid" : "camera";
    document.title = key === null ? "Darner" : `${isolated(called(node, camera))} · Darner`;
    byId("all").hidden = key === null;
    byId("missing").hidden = key === null || Boolean(tile) || !this.#tiles.size;
    byId("missing").textContent = key === null ? "" : `There is no camera ${camera} on a node ${node} now.`;
    for (const [name, { root }] of this.#tiles) root.hidden = key !== null && name !== key;
    this.#zones.only(key);
    this.#events.only(key);
    if (!tile) return this.#camera.close();
    this.#camera.open(tile, tool);
    if (tool) history.replaceState(null, "", linkTo(node, camera)); // a reload must not begin a drawing
  }

  /**
   * Asks before a drawing is dropped. The address has changed already, and staying restores the old one.
   * @param {HashChangeEvent} event
   */
  #moved({ oldURL }) {
    const { key } = address();
    const leaves = this.#camera.isUnsaved && (key === null || this.#tiles.get(key) !== this.#camera.tile);
    if (leaves && !confirm("What you have drawn is not saved. Leave, and drop it?")) history.pushState(null, "", oldURL);
    else this.#route();
  }
}

new LivePage();
