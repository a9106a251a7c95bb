// The live page: each message of the viewer goes to the tile, the panel or the header that shows it.

/**
 * @import { About, FrameHeader, Message, Messages } from "../../page"
 * @import { ModeBar } from "../schedules/mode.js"
 * @import { KnownNode } from "./status.js"
 * @typedef {{[T in keyof Messages]: (message: Messages[T]) => void}} Handlers
 */

import { ServerClock } from "../common/clock.js";
import { byId } from "../common/dom.js";
import { Fleet } from "../common/fleet.js";
import { called, isolated, learnZones, retell } from "../common/names.js";
import { own } from "../common/own.js";
import { address, keyOf, linkTo } from "./address.js";
import { CameraPage } from "./camera.js";
import { Connection } from "./connection.js";
import { EventFeed } from "./events.js";
import { showConnection, showNodes, showSteps } from "./status.js";
import { Tile } from "./tile.js";
import { ZonePanel } from "./zones.js";

const SOON_MS = 200; // changes of a large fleet are shown together

class LivePage {
  #clock = new ServerClock();
  /** @type {Map<string, Tile>} */
  #tiles = new Map(); // by "node/camera"
  /** @type {Map<string, KnownNode>} */
  #nodes = new Map(); // those of the tiles, by name
  #fleet = new Fleet(byId("pager"), () => this.#arrange());
  #arranging = 0;
  #zones = new ZonePanel();
  /** @type {ModeBar | undefined} */
  #modes; // loaded with the first node that has modes
  #events = new EventFeed();
  #camera = new CameraPage((node) => this.#nodes.get(node)?.info?.model.classes ?? []);
  /** @type {About} */
  #about = { connected: false, broker: null, brokerAt: null, brokerUrl: "", prefix: "", link: { kind: "wait", text: "Connecting" } };
  #onScreen = new IntersectionObserver((entries) => this.#watch(entries), { rootMargin: "25%" });

  /** @type {Handlers} */
  #handlers = {
    hello: (m) => this.#hello(m),
    names: (m) => this.#names(m),
    live: () => this.#live(),
    shown: () => {
      for (const tile of this.#tiles.values()) tile.isKnown = true;
      this.#route();
    },
    broker: (m) => {
      Object.assign(this.#about, { broker: m.connected, brokerAt: m.address });
      this.#refresh();
    },
    pong: (m) => this.#clock.pong(m.client_ms, m.server_us / 1000),
    status: (m) => this.#setNode(m.node, { status: m.message }),
    info: (m) => this.#setNode(m.node, { info: m.message }),
    metrics: (m) => this.#setNode(m.node, { metrics: m.message }),
    calendar: (m) => this.#setNode(m.node, { calendar: m.message }),
    mode: (m) => this.#setNode(m.node, { mode: m.message }),
    rules: () => {}, // pages of their own show them
    camera_status: (m) => this.#cameraStatus(m),
    health: (m) => {
      this.#tiles.get(keyOf(m.node, m.camera))?.notices.setHealth(m.message);
    },
    zones: (m) => this.#zonesMessage(m),
    suspects: (m) => this.#suspectsMessage(m),
    zone: (m) => {
      const tile = this.#tiles.get(keyOf(m.node, m.camera));
      if (!tile) return; // it has just left the page
      this.#zones.set(m.node, m.camera, m.zone, m.message);
      tile.setNumbers(m.zone, m.message);
    },
    picture: (m) => {
      const tile = this.#tiles.get(keyOf(m.node, m.camera));
      if (!tile) return;
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
    showSteps(this.#about, this.#fleet.nodes.few ?? [], this.#fleet.cameras);
  }

  /** @param {Messages["hello"]} hello */
  #hello(hello) {
    Object.assign(this.#about, { connected: true, brokerUrl: hello.broker, prefix: hello.prefix });
    this.#clock.reset();
    this.#clock.guess(hello.server_us / 1000);
    this.#nodes.clear();
    this.#zones.clear();
    this.#events.clear();
    this.#fleet.begin();
    this.#tiles.forEach((tile) => tile.reconnected());
  }

  /** @param {Messages["names"]} message */
  #names({ nodes }) {
    if (this.#fleet.take(nodes)) this.#renamed();
    const isLarge = this.#fleet.cameras > this.#tiles.size;
    this.#arranging ||= setTimeout(() => this.#arrange(), isLarge && this.#tiles.size ? SOON_MS : 0);
  }

  /** All names have been sent: a camera that was not named went away while there was no connection. */
  #live() {
    this.#fleet.end();
    this.#arrange();
  }

  /** Makes tiles of the cameras of this page, and of the one that the address names. */
  #arrange() {
    clearTimeout(this.#arranging);
    this.#arranging = 0;
    const { places, isAll } = this.#fleet.page();
    const { key, node, camera } = address();
    const wanted = new Map(places.map((place) => [place.key, place]));
    if (key !== null && this.#fleet.has(node, camera)) wanted.set(key, { key, node, camera });
    for (const [name, tile] of [...this.#tiles]) {
      if (!wanted.has(name) && !this.#camera.holds(tile)) this.#removeTile(name);
    }
    const grid = byId("cameras");
    const before = this.#tiles.size;
    const tiles = [...wanted.values()].map((place) => this.#tileOf(place.node, place.camera));
    tiles.forEach(({ root }, at) => { if (grid.children[at] !== root) grid.insertBefore(root, grid.children[at] ?? null); });
    const nodes = new Set([...this.#tiles.values()].map((tile) => tile.node));
    for (const name of this.#nodes.keys()) if (!nodes.has(name)) this.#nodes.delete(name); // they are told again when needed
    this.#connection.ask("show", [...this.#tiles.values()].map((tile) => [tile.node, tile.camera]));
    if (this.#tiles.size === before) this.#watch([]); // else the observer has something to say
    byId("none").hidden = tiles.length > 0 || !this.#fleet.cameras || key !== null;
    byId("scope").hidden = isAll || key !== null;
    showNodes(this.#fleet, this.#nodes);
    this.#showModes();
    this.#refresh();
    this.#route();
  }

  /** @param {string} name @param {KnownNode} news */
  #setNode(name, news) {
    const known = { ...this.#nodes.get(name), ...news };
    const tiles = [...this.#tiles.values()].filter((tile) => tile.node === name);
    if (tiles.length && Object.values(known).some(Boolean)) this.#nodes.set(name, known);
    else this.#nodes.delete(name);
    tiles.forEach((tile) => this.#tellTile(tile));
    if ("mode" in news || "calendar" in news) this.#zones.setTimes(name, known);
    showNodes(this.#fleet, this.#nodes);
    this.#showModes();
  }

  /** Shows the modes of the nodes that have cameras on this page. */
  async #showModes() {
    const found = () => new Map([...this.#nodes].flatMap(([name, { status, calendar, mode }]) =>
      (calendar && mode && Object.keys(calendar.modes).length
        ? [/** @type {const} */ ([name, { online: status?.status === "online", calendar, mode }])] : [])));
    if (!this.#modes && found().size) {
      const { ModeBar: Made } = await import("../schedules/mode.js");
      this.#modes ??= new Made(byId("modes"));
    }
    this.#modes?.show(found());
  }

  /** Brings up to date what says names in a sentence. */
  #renamed() {
    retell();
    this.#tiles.forEach((tile) => tile.refresh());
    this.#route();
  }

  /** @param {Tile} tile */
  #tellTile(tile) {
    const { status, info, metrics, calendar } = this.#nodes.get(tile.node) ?? {};
    tile.nodeStatus = status;
    this.#zones.setLive(keyOf(tile.node, tile.camera), tile.isLive);
    tile.canMask = info?.capabilities.includes("masks") ?? false;
    tile.canAccept = info?.capabilities.includes("health") ?? false;
    tile.schedules = info?.capabilities.includes("calendar") ? calendar?.schedules ?? {} : null;
    tile.canName = info?.capabilities.includes("names") ?? false;
    tile.metrics = own(metrics?.cameras, tile.camera);
  }

  /** @param {Messages["camera_status"]} message */
  #cameraStatus({ node, camera, message: status }) {
    const tile = this.#tiles.get(keyOf(node, camera));
    if (!tile) return;
    tile.status = status ?? undefined;
    this.#zones.setLive(keyOf(node, camera), tile.isLive);
    tile.refresh();
  }

  /** @param {Messages["zones"]} message */
  #zonesMessage({ node, camera, message: zones }) {
    const tile = this.#tiles.get(keyOf(node, camera));
    if (!tile) return;
    this.#zones.define(node, camera, zones);
    learnZones(node, camera, zones);
    tile.setZones(zones);
    if (zones) this.#camera.zonesChanged(tile);
  }

  /** @param {Messages["suspects"]} message */
  #suspectsMessage({ node, camera, message: found }) {
    this.#tiles.get(keyOf(node, camera))?.notices.setSuspects(found?.suspects ?? []);
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
    tile.refresh();
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
    this.#zones.forget(key);
    learnZones(tile.node, tile.camera, null);
  }

  /**
   * Tells the viewer which cameras are on the screen: it sends frames of no others.
   * @param {IntersectionObserverEntry[]} entries
   */
  #watch(entries) {
    for (const { target, isIntersecting } of entries) target.setAttribute("data-seen", String(isIntersecting));
    const seen = [...this.#tiles.values()].filter((tile) => tile.stage.dataset.seen === "true");
    this.#connection.ask("watch", seen.map(({ node, camera }) => [node, camera]));
  }

  /** Shows what the address says. */
  #route() {
    const { key, node, camera, tool } = address();
    const tile = key === null ? undefined : this.#tiles.get(key);
    document.body.dataset.view = key === null ? "grid" : "camera";
    document.title = key === null ? "Darner" : `${isolated(called(node, camera))} · Darner`;
    byId("all").hidden = key === null;
    byId("missing").hidden = key === null || Boolean(tile) || !this.#fleet.cameras;
    byId("missing").textContent = key === null ? "" : `There is no camera ${camera} on a node ${node} now.`;
    for (const [name, { root }] of this.#tiles) root.hidden = key !== null && name !== key;
    this.#zones.only(key);
    this.#events.only(key);
    if (!tile) return this.#camera.close();
    this.#camera.open(tile, tile.isKnown ? tool : undefined);
    if (tool && tile.isKnown) history.replaceState(null, "", linkTo(node, camera)); // a reload must not begin a drawing
  }

  /**
   * Asks before a drawing is dropped. The address has changed already, and staying restores the old one.
   * @param {HashChangeEvent} event
   */
  #moved({ oldURL }) {
    const { key } = address();
    const leaves = this.#camera.isUnsaved && (key === null || this.#tiles.get(key) !== this.#camera.tile);
    if (leaves && !confirm("What you have drawn is not saved. Leave, and drop it?")) history.pushState(null, "", oldURL);
    else this.#arrange();
  }
}

new LivePage();
