// Wires the page: what the server says goes to the tile, the panel or the header that shows it.

import { CameraPage } from "./camera.js";
import { ServerClock } from "../common/clock.js";
import { Connection } from "./connection.js";
import { byId, element } from "../common/dom.js";
import { EventFeed } from "./events.js";
import { time } from "../common/format.js";
import { linkTo, Tile } from "./tile.js";
import { ZonePanel } from "./zones.js";

const clock = new ServerClock();
const tiles = new Map(); // "node/camera" -> Tile
const nodes = new Map(); // name -> {status, info, metrics}
const zones = new ZonePanel();
const events = new EventFeed();
const page = new CameraPage((node) => nodes.get(node)?.info?.model.classes ?? []);
const about = { connected: false, broker: null, brokerUrl: "", prefix: "" };

const keyOf = (node, camera) => `${node}/${camera}`;

function tileOf(node, camera) {
  const key = keyOf(node, camera);
  if (!tiles.has(key)) {
    const tile = new Tile(node, camera, clock, () => connection.done());
    Object.assign(tile, { nodeStatus: nodes.get(node)?.status, metrics: nodes.get(node)?.metrics?.cameras[camera] });
    tiles.set(key, tile);
    onScreen.observe(tile.stage);
    const after = [...tiles.keys()].sort();
    byId("cameras").insertBefore(tile.root, tiles.get(after[after.indexOf(key) + 1])?.root ?? null);
    tile.refresh();
    refreshWaiting();
    route();
  }
  return tiles.get(key);
}

function removeTile(node, camera) {
  const tile = tiles.get(keyOf(node, camera));
  if (!tile) return;
  if (page.tile === tile) page.close();
  onScreen.unobserve(tile.stage);
  tile.root.remove();
  tiles.delete(keyOf(node, camera));
  refreshWaiting();
  route();
}

/** Which cameras can be seen: the server sends frames of no others. */
const onScreen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) target.dataset.seen = isIntersecting;
  const seen = [...tiles.values()].filter((tile) => tile.stage.dataset.seen === "true");
  connection.watch(seen.map(({ node, camera }) => [node, camera]));
}, { rootMargin: "25%" });

/** What the address says: nothing for every camera, or one (#/camera/NODE/CAMERA, with /line or /zone). */
function address() {
  const [, isCamera, node, camera, tool] = location.hash.match(/^#\/(camera)\/([^/]+)\/([^/]+)(?:\/(line|zone))?$/) ?? [];
  return { isCamera, node, camera, tool };
}

/** Show what the address says. */
function route() {
  const { isCamera, node, camera, tool } = address();
  const tile = tiles.get(keyOf(node, camera));
  const only = isCamera ? keyOf(node, camera) : null;
  document.body.dataset.view = isCamera ? "camera" : "grid";
  document.title = isCamera ? `${camera} · Darner` : "Darner";
  byId("all").hidden = !isCamera;
  byId("missing").hidden = !isCamera || Boolean(tile) || !tiles.size;
  byId("missing").textContent = isCamera ? `There is no camera ${camera} on a node ${node} now.` : "";
  for (const [key, { root }] of tiles) root.hidden = only !== null && key !== only;
  zones.only(only);
  events.only(only);
  if (!tile) return page.close();
  page.open(tile, tool);
  if (tool) history.replaceState(null, "", linkTo(node, camera)); // a reload is no wish to draw again
}

/** The address has changed already when we hear of it: who stays by the drawing gets the old one back. */
function moved({ oldURL }) {
  const { node, camera } = address();
  const leaves = page.isUnsaved && tiles.get(keyOf(node, camera)) !== page.tile;
  if (leaves && !confirm("What you have drawn is not saved. Leave, and drop it?")) history.pushState(null, "", oldURL);
  else route();
}

function setNode(name, part, message) {
  const known = { ...nodes.get(name), [part]: message ?? undefined };
  if (known.status || known.info) nodes.set(name, known);
  else nodes.delete(name);
  for (const tile of tiles.values()) {
    if (tile.node === name) Object.assign(tile, { nodeStatus: known.status, metrics: known.metrics?.cameras[tile.camera] });
  }
  refreshNodes();
  refreshWaiting();
}

const handlers = {
  hello: (m) => {
    Object.assign(about, { connected: true, brokerUrl: m.broker, prefix: m.prefix });
    clock.reset();
    clock.guess(m.server_us / 1000);
    nodes.clear();
    zones.clear();
    events.clear();
    handlers.seen = new Set();
    tiles.forEach((tile) => tile.reconnected());
  },
  live: () => {
    // A camera that is not in the snapshot went away while we were not looking.
    for (const tile of [...tiles.values()]) {
      const isGone = !handlers.seen.has(keyOf(tile.node, tile.camera)) && !page.holds(tile);
      if (isGone) removeTile(tile.node, tile.camera);
    }
    refreshNodes();
    refreshWaiting();
  },
  broker: (m) => {
    about.broker = m.connected;
    refreshConnection();
    refreshWaiting();
  },
  pong: (m) => clock.pong(m.client_ms, m.server_us / 1000),
  status: (m) => setNode(m.node, "status", m.message),
  info: (m) => setNode(m.node, "info", m.message),
  metrics: (m) => setNode(m.node, "metrics", m.message),
  camera_status: (m) => {
    if (!m.message) return removeTile(m.node, m.camera);
    handlers.seen.add(keyOf(m.node, m.camera));
    const tile = tileOf(m.node, m.camera);
    tile.status = m.message;
    tile.refresh();
  },
  zones: (m) => {
    handlers.seen.add(keyOf(m.node, m.camera));
    if (m.message || tiles.has(keyOf(m.node, m.camera))) tileOf(m.node, m.camera).setZones(m.message);
    zones.define(m.node, m.camera, m.message);
    if (m.message) page.zonesChanged(tileOf(m.node, m.camera));
  },
  zone: (m) => {
    zones.set(m.node, m.camera, m.zone, m.message);
    tiles.get(keyOf(m.node, m.camera))?.setNumbers(m.zone, m.message);
  },
  events: (m) => {
    events.add(m.message);
    tiles.get(keyOf(m.message.node, m.message.camera))?.tracks.note(m.message);
  },
};

function onFrame(data) {
  const size = new DataView(data).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
  const tile = tiles.get(keyOf(header.node, header.camera));
  if (tile) tile.add(header, new Uint8Array(data, 4 + size));
  else connection.done();
}

let link = { kind: "wait", text: "Connecting" };

function onState(kind, text) {
  link = { kind, text };
  about.connected = false;
  refreshConnection();
  refreshWaiting();
}

function refreshConnection() {
  let { kind, text } = link;
  if (about.connected) [kind, text] = about.broker ? ["good", "Live"] : ["bad", "The viewer has no broker"];
  const pill = byId("connection");
  pill.dataset.state = kind;
  if (pill.textContent !== text) pill.textContent = text;
}

function refreshNodes() {
  const shown = [...nodes.keys()].sort().map((name) => {
    const { status, info, metrics } = nodes.get(name);
    const online = status?.status === "online";
    const made = element("span", { class: "node" }, `${name} ${online ? "" : (status?.status ?? "")}`.trim());
    made.dataset.state = online ? "good" : "bad";
    const facts = [`Node ${name}: ${status?.status ?? "state unknown"}`];
    if (info) facts.push(`${info.model.name} on ${info.backend}, ${info.device}`, `version ${info.version}`);
    if (metrics) facts.push(`last heard of at ${time(metrics.published_us / 1000)}`,
      `processor ${Math.round(metrics.cpu_percent)} % of one core, ${Math.round(metrics.memory_mb)} MB`);
    made.title = facts.join("\n");
    return made;
  });
  byId("nodes").replaceChildren(...shown);
}

function refreshWaiting() {
  byId("events").dataset.cameras = tiles.size;
  byId("waiting").hidden = tiles.size > 0;
  if (tiles.size > 0) return;
  const known = nodes.size > 0;
  const steps = [
    [about.connected, about.connected ? "This page is connected to the viewer." : "Connecting to the viewer."],
    [about.connected && about.broker, about.broker ? `The viewer is connected to the broker at ${about.brokerUrl}.`
      : `The viewer looks for the broker${about.brokerUrl ? ` at ${about.brokerUrl}` : ""}. Is it running (mqtt.url)?`],
    [known, known ? `Edge node ${[...nodes.keys()].join(", ")} is known.`
      : `An edge node must announce itself on ${about.prefix || "darner/v1"}/…/status. Start one with: python -m edge_node`],
    [false, "The node's cameras will appear here by themselves."],
  ];
  const now = steps.findIndex(([isDone]) => !isDone);
  byId("steps").replaceChildren(...steps.map(([isDone, text], index) => {
    const step = element("li", {}, element("span", {}, text));
    step.dataset.done = Boolean(isDone);
    step.dataset.now = index === now;
    return step;
  }));
}

refreshWaiting();
const connection = new Connection({ message: (m) => handlers[m.type]?.(m), frame: onFrame, state: onState });
addEventListener("hashchange", moved);
addEventListener("beforeunload", (event) => { if (page.isUnsaved) event.preventDefault(); }); // the browser asks
route();
setInterval(() => tiles.forEach((tile) => tile.refresh()), 1000);
