// The analytics page: the zones and lines of one camera over a range of time.

/**
 * @import { CameraSummary, ZoneSeries, ZoneStays, ZoneSummary } from "../../wire"
 * @import { Range } from "./range.js"
 */

import { byId, element, messageOf } from "../common/dom.js";
import { duration } from "../common/format.js";
import { named } from "../common/names.js";
import { address, ask, keepUp } from "../common/rest.js";
import { short } from "../health/short.js";
import { moment } from "./axes.js";
import { CameraFinder } from "./cameras.js";
import { FlowChart, LevelChart, sum } from "./charts.js";
import { Heat } from "./heat.js";
import { spansOf } from "./pauses.js";
import { Choice } from "./range.js";
import { StayChart } from "./stays.js";

const POINTS = 96;

/** One zone or line: its numbers and charts. */
class Panel {
  #facts = element("dl", { class: "numbers" });
  #csv = element("a", { download: "" }, "CSV");
  #json = element("a", { download: "" }, "JSON");
  #flow;
  #level;
  #stays;

  /** @param {ZoneSummary} zone */
  constructor(zone) {
    this.zone = zone;
    const line = zone.kind === "line";
    const [title, noun] = zone.queue ? ["Waits", "waits"] : ["How long they stayed", "stays"];
    this.#flow = new FlowChart("In and out", line ? "crossings" : "objects", !line);
    this.#level = line ? null : new LevelChart("Inside");
    this.#stays = line ? null : new StayChart(title, noun);
    const charts = [this.#level, this.#flow, this.#stays].flatMap((chart) => (chart ? [chart.root] : []));
    const kind = line ? "line" : (zone.queue ? "queue" : "zone");
    this.root = element(
      "section", { class: "card zone-panel", "aria-label": `${kind} ${zone.name ?? zone.zone}`, "data-zone": zone.zone },
      element("div", { class: "row" },
        element("h2", {}, named(zone.name, zone.zone), " ",
          element("span", { class: "quiet" }, [...(zone.name ? [zone.zone] : []), kind, ...(zone.current ? [] : ["not defined any more"])].join(", "))),
        element("span", { class: "exports" }, "Export ", this.#csv, " ", this.#json)),
      this.#facts,
      element("div", { class: "charts" }, ...charts),
    );
    this.root.hidden = true; // until there is something to show: a viewer without history has nothing
  }

  /** @param {Range} range */
  async load(range) {
    const { node, camera, zone, kind } = this.zone;
    const which = { node, camera, zone, from_us: range.fromUs, to_us: range.toUs };
    const cut = { ...which, points: POINTS, zero_us: midnightUs() };
    const [series, stays] = await Promise.all([ask("series", cut), kind === "line" ? null : ask("stays", which)]);
    this.#csv.href = address("series.csv", cut);
    this.#json.href = address("series", cut);
    const steps = { start: series.start_us.map((us) => us / 1000), stepMs: series.step_s * 1000, ...spansOf(series) };
    this.#flow.set({ ...steps, entered: series.entered, exited: series.exited, lost: series.lost });
    this.#level?.set({ ...steps, mean: series.occupancy_mean, peak: series.occupancy_peak });
    if (stays) this.#stays?.show(stays);
    this.#tell(series, stays);
    this.root.hidden = false;
  }

  /** @param {ZoneSeries} series @param {ZoneStays | null} stays */
  #tell(series, stays) {
    const [entered, exited, lost] = [sum(series.entered), sum(series.exited), sum(series.lost)];
    /** @type {[string, string | number][]} */
    const facts = [];
    const { occupancy, paused } = this.zone;
    if (this.#level) facts.push(["Inside now", paused ? "–" : occupancy ?? "–"]);
    if (paused) facts.push(["Paused", paused === "schedule" ? short(paused) : `camera ${short(paused)}`]);
    facts.push(["In", entered], ["Out", exited]);
    if (lost) facts.push(["Lost sight of", lost]);
    if (stays && stays.p50_s !== null && stays.p90_s !== null) {
      facts.push([this.zone.queue ? "Median wait" : "Median stay", duration(stays.p50_s)], ["Nine in ten under", duration(stays.p90_s)]);
    }
    this.#facts.replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
    Object.assign(this.root.dataset, { entered, exited, lost, stays: stays?.count ?? 0 });
  }
}

/** @type {Map<string, Panel>} */
const panels = new Map(); // by zone
const heat = new Heat();
const choice = new Choice(() => reload());
const finder = new CameraFinder(() => reload());
/** @type {string | null} */
let shownCamera = null;

function midnightUs() {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime() * 1000;
}

async function load() {
  try {
    const { cameras, zones } = await finder.load(choice.camera, true);
    choice.offer(cameras, zones);
    const chosen = choice.camera;
    if (chosen !== shownCamera) {
      panels.forEach((panel) => panel.root.remove());
      panels.clear();
      shownCamera = chosen;
      heat.show(cameras.find((one) => `${one.node}/${one.camera}` === chosen) ?? null);
    }
    const range = choice.range();
    const mine = zones.filter((zone) => `${zone.node}/${zone.camera}` === chosen);
    mine.sort((a, b) => Number(b.current) - Number(a.current) || (a.name ?? a.zone).localeCompare(b.name ?? b.zone));
    arrange(mine);
    const paths = showPaths(cameras.find((one) => `${one.node}/${one.camera}` === chosen) ?? null); // also without a history
    await Promise.all([paths, ...[...panels.values()].map((panel) => panel.load(range))]);
    byId("note").textContent = note(mine, range);
  } catch (error) {
    byId("note").textContent = messageOf(error);
  }
}

/** @param {CameraSummary | null} camera */
async function showPaths(camera) {
  const { tracks } = camera ? await ask("paths", { node: camera.node, camera: camera.camera }) : { tracks: [] };
  byId("paths").hidden = !tracks.length;
  if (camera && tracks.length) await (await import("../paths/draw.js")).drawPaths(camera, tracks);
}

/**
 * Shows a panel for each zone, in this order.
 * @param {ZoneSummary[]} zones
 */
function arrange(zones) {
  const before = new Map(panels);
  panels.clear();
  for (const zone of zones) {
    const known = before.get(zone.zone);
    const panel = known && isAlike(known.zone, zone) ? known : new Panel(zone);
    panel.zone = zone;
    panels.set(zone.zone, panel);
  }
  const roots = [...panels.values()].map(({ root }) => root);
  const { children } = byId("zones");
  if (children.length !== roots.length || roots.some((root, i) => children[i] !== root)) byId("zones").replaceChildren(...roots);
}

/**
 * Whether a panel made for one fits the other.
 * @param {ZoneSummary} a
 * @param {ZoneSummary} b
 */
const isAlike = (a, b) => a.name === b.name && a.kind === b.kind && a.queue === b.queue && a.current === b.current;

/** @param {ZoneSummary[]} zones @param {Range} range */
function note(zones, range) {
  if (!shownCamera) return "No camera is known yet.";
  if (!zones.length) return "No zone or line is defined on this camera. Draw one on the Live page.";
  return `${moment(range.fromUs / 1000)} to ${range.live ? "now" : moment(range.toUs / 1000)}`;
}

const reload = keepUp(load, () => choice.everyMs());
