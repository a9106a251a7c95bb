// The system page: every node with its versions, stages and losses, and a way to try its detector.

/**
 * @import { CameraInfo, CameraMetrics, LimitReached, Metrics, NodeInfo, NodeStatus, NodeSummary, Quantiles } from "../../wire"
 * @typedef {[string, string | Node][]} Facts Name and value of each.
 */

import { byId, element, messageOf, svg } from "../common/dom.js";
import { duration, time } from "../common/format.js";
import { countName, parts } from "../common/ignoring.js";
import { isolated, named } from "../common/names.js";
import { Pager } from "../common/pager.js";
import { ask, keepUp } from "../common/rest.js";
import { lineage } from "./lineage.js";
import { LookRates } from "./rates.js";
import { offerNodes } from "./try.js";

const EVERY_MS = 3000;
const STALE_S = 20; // metrics come every 5 s
const ON_A_PAGE = 50; // nodes
const rates = new LookRates();
/** @param {number} count */
const bytes = (count) => (count < 1e3 ? `${count} B` : count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`);
/** @param {number} value */
const ms = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

async function refresh() {
  try {
    const { now_us: now, nodes, total, limits } = await ask("nodes", pager.asked);
    if (!pager.told(total)) return run();
    for (const { node, metrics } of nodes) if (metrics) rates.add(node, metrics);
    rates.keep(nodes.map(({ node }) => node));
    const restore = places();
    byId("nodes").replaceChildren(...nodes.map((node) => card(node, now / 1e6, limits.filter((limit) => limit.node === node.node))));
    const others = limits.filter(({ node }) => !nodes.some((known) => known.node === node));
    byId("limits").hidden = others.length === 0;
    byId("limits-list").replaceChildren(...others.map(mark));
    restore();
    byId("empty").hidden = nodes.length > 0 || pager.isNeeded;
    byId("note").textContent = `As of ${time(Date.now())}`;
    offerNodes(nodes.filter((node) => node.status?.status === "online").map(({ node, info }) => [node, isolated(info?.name ?? node)]));
  } catch (error) {
    byId("note").textContent = messageOf(error);
  }
}

/** Notes how far each table was scrolled and which one had the focus; returns what restores both. */
function places() {
  /** @param {HTMLElement} table */
  const keyOf = (table) => `${table.closest(".node-card")?.getAttribute("data-node")} ${table.getAttribute("aria-label")}`;
  const tables = () => /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".node-card .table"));
  const before = new Map([...tables()].map((table) =>
    [keyOf(table), { left: table.scrollLeft, focused: table === document.activeElement }]));
  return () => tables().forEach((table) => {
    const { left = 0, focused = false } = before.get(keyOf(table)) ?? {};
    if (left) table.scrollLeft = left;
    if (focused) table.focus({ preventScroll: true });
  });
}

/** @param {NodeSummary} node @param {number} nowS @param {LimitReached[]} limits Those that it has reached. */
function card({ node, status, info, metrics }, nowS, limits) {
  const online = status?.status === "online";
  const state = element("span", { class: "pill", "data-state": online ? "good" : "bad" }, status?.status ?? "state unknown");
  const parts = [element("div", { class: "row" }, element("h2", {}, ...both(info?.name, node)), state), facts(about(node, info, status))];
  if (status?.reason) parts.push(element("p", { class: "bad" }, `Problem: ${status.reason}.`));
  if (limits.length) parts.push(element("ul", { class: "bad", "aria-label": `Limits that ${info?.name ?? node} has reached` }, ...limits.map(mark)));
  if (metrics) {
    const age = nowS - metrics.published_us / 1e6;
    if (age > STALE_S) parts.push(element("p", { class: "bad" }, `These numbers are ${duration(age)} old.`));
    parts.push(facts(load(metrics)), cameras(node, metrics.cameras, info), stages(metrics.stages_ms), losses(metrics));
  } else {
    parts.push(element("p", { class: "quiet" }, "No metrics have come yet."));
  }
  return element("section", { class: "card node-card", "aria-label": `Node ${info?.name ?? node}`, "data-node": node }, ...parts);
}

/** A name with its identifier, by which it is found in topics. @param {string | null | undefined} name @param {string} identifier */
const both = (name, identifier) => [named(name, identifier), ...(name ? [" ", element("span", { class: "quiet" }, identifier)] : [])];

/** A limit that was reached, as an item of a list. @param {LimitReached} limit */
const mark = ({ node, says, count, last_us: last }) =>
  element("li", {}, `${node ?? "All nodes"}: ${says}. ${count === 1 ? "Once" : `${count} times, last`} at ${time(last / 1000)}.`);

/** @param {string} node @param {NodeInfo | null} info @param {NodeStatus | null} status @returns {Facts} */
function about(node, info, status) {
  if (!info) return [["Version", status?.version ?? "–"]];
  const { model } = info;
  return [
    ["Version", info.version], ["Model", `${model.name}, ${model.input_width} × ${model.input_height}, ${model.layout}`],
    ["Model file", lineage(node, model)], ["Backend", info.backend], ["Device", info.device], ["Tracker", info.tracker],
  ];
}

/** @param {Metrics} metrics @returns {Facts} */
const load = (metrics) => [
  ["Up for", duration(metrics.uptime_s)], ["Processor", `${metrics.cpu_percent.toFixed(0)} % of one core`],
  ["Memory", `${metrics.memory_mb.toFixed(0)} MB`],
];

/** @param {Metrics} metrics */
function losses({ publish_dropped: dropped, outbox }) {
  const lost = Object.entries(dropped).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  /** @type {Facts} */
  const rows = [["Messages not sent", lost.join(", ") || "none"]];
  if (outbox) {
    rows.push(["Outbox", `${outbox.backlog} waiting, ${bytes(outbox.bytes)}, ${outbox.on_disk ? "on disk" : "in memory only"}`]);
    rows.push(["Events given up", String(outbox.dropped)]);
  }
  return facts(rows);
}

/** @param {Facts} rows @returns {HTMLElement} */
function facts(rows) {
  return element("dl", { class: "numbers" }, ...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/** @param {string} node @param {Record<string, CameraMetrics>} known @param {NodeInfo | null} info */
function cameras(node, known, info) {
  const hasLooks = rates.isKnown(node);
  // On a machine without a GPU's decoder, every row would say the same.
  const hasDecoders = info?.cameras.some((camera) => camera.decoder === "gpu" || camera.decoder_reason) ?? false;
  const hasKept = Object.values(known).some((one) => one.collected);
  const rows = Object.entries(known).map(([name, one]) => [
    element("span", {}, ...both(info?.cameras.find(({ camera }) => camera === name)?.name, name)), one.fps_in.toFixed(1), one.fps_out.toFixed(1), one.captured, one.processed, one.dropped, ignored(one.ignored),
    ...(hasLooks ? [looks(node, name, one)] : []), ...(hasDecoders ? [decodedBy(info?.cameras.find(({ camera }) => camera === name))] : []),
    ...(hasKept ? [kept(one.collected)] : []),
  ]);
  const columns = ["Camera", "Frames in per s", "Analysed per s", "Captured", "Analysed", "Dropped", "Ignored boxes"];
  if (hasLooks) columns.push("Looks per s");
  if (hasDecoders) columns.push("Decoded by");
  if (hasKept) columns.push("Kept for labelling");
  return table("Cameras", columns, rows);
}

/** What decodes a camera's video, and why not the GPU. @param {CameraInfo | undefined} camera */
function decodedBy(camera) {
  if (!camera?.decoder) return "–";
  if (camera.decoder === "gpu") return "GPU";
  return camera.decoder_reason ? `processor: ${camera.decoder_reason}` : "processor";
}

/** What is kept for labelling, why the newest was, and what is wrong. @param {CameraMetrics["collected"]} one */
const kept = (one) => one ? [`${one.pictures} pictures`, bytes(one.bytes), one.last_reason?.replace("_", " "), one.trouble].filter(Boolean).join(", ") : "–";

/**
 * How often the network looks at a part of this camera's pictures, by what for.
 * @param {string} node
 * @param {string} camera
 * @param {CameraMetrics} metrics
 */
function looks(node, camera, metrics) {
  if (!Object.keys(metrics.looks ?? {}).length) return "no tiles";
  const perS = rates.of(node, camera);
  if (!perS) return "…"; // until the next report
  const each = Object.entries(perS).sort((a, b) => b[1] - a[1]);
  const total = each.reduce((sum, [, rate]) => sum + rate, 0);
  return `${total.toFixed(1)} (${each.map(([purpose, rate]) => `${purpose} ${rate.toFixed(1)}`).join(", ")})`;
}

/** @param {Record<string, number>} counts By what ignored them. */
function ignored(counts) {
  const each = parts(counts);
  const total = each.reduce((sum, [, count]) => sum + count, 0);
  return total ? `${total} (${each.map(([key, count]) => `${countName(key)} ${count}`).join(", ")})` : "none";
}

/** @param {Record<string, Quantiles>} known */
function stages(known) {
  const most = Math.max(1, ...Object.values(known).map((one) => one.p95));
  const rows = Object.entries(known).map(([name, one]) => [
    name.replaceAll("_", " "), ms(one.p50), ms(one.p90), ms(one.p95), bar(one, most), one.count,
  ]);
  return table("Time per stage, milliseconds, over the last report", ["Stage", "p50", "p90", "p95", "0 to p50, p90, p95", "Times"], rows);
}

/**
 * A bar up to the median, and a line on to p95 with a tick at p90.
 * @param {Quantiles} stage
 * @param {number} most
 */
function bar({ p50, p90, p95 }, most) {
  /** @param {number} value */
  const x = (value) => (value / most) * 140;
  return svg("svg", { class: "span", width: 144, height: 14, "aria-hidden": "true" },
    svg("line", { class: "rest", x1: 0, x2: x(p95), y1: 7, y2: 7 }),
    svg("rect", { class: "half", x: 0, y: 3, width: x(p50), height: 8 }),
    svg("line", { class: "rest", x1: x(p90), x2: x(p90), y1: 3, y2: 11 }),
    svg("line", { class: "rest", x1: x(p95), x2: x(p95), y1: 1, y2: 13 }));
}

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {(string | number | Element)[][]} rows
 */
function table(caption, columns, rows) {
  /** @param {string | number | Element} value @param {number} i */
  const cell = (value, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, value instanceof Element ? value : String(value));
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption }, element(
    "table", {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell)))),
  ));
}

const pager = new Pager(byId("pager"), "nodes", ON_A_PAGE, () => run());
const run = keepUp(refresh, () => EVERY_MS);
