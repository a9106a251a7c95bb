// The analytics page: the zones and lines of one camera over a range of time.

import { FlowChart, LevelChart, StayChart } from "./charts.js";
import { byId, element } from "../common/dom.js";
import { duration } from "../common/format.js";
import { Heat } from "./heat.js";
import { Choice } from "./range.js";
import { address, ask, keepUp } from "../common/rest.js";
import { moment } from "./axes.js";

const POINTS = 96;
const panels = new Map(); // zone name -> Panel
const heat = new Heat();
let shownCamera = null;

class Panel {
  constructor(zone) {
    this.zone = zone;
    const line = zone.kind === "line";
    this.facts = element("dl", { class: "numbers" });
    this.flow = new FlowChart("In and out", line ? "crossings" : "objects", !line);
    this.level = line ? null : new LevelChart("Inside");
    const [title, noun] = zone.queue ? ["Waits", "waits"] : ["How long they stayed", "stays"];
    this.stays = line ? null : new StayChart(title, noun);
    const charts = [this.level, this.flow, this.stays].filter(Boolean).map((chart) => chart.root);
    this.csv = element("a", { download: "" }, "CSV");
    this.json = element("a", { download: "" }, "JSON");
    const kind = line ? "line" : (zone.queue ? "queue" : "zone");
    this.root = element(
      "section", { class: "card zone-panel", "aria-label": `${kind} ${zone.zone}` },
      element("div", { class: "row" },
        element("h2", {}, zone.zone, " ", element("span", { class: "quiet" }, zone.current ? kind : `${kind}, not defined any more`)),
        element("span", { class: "exports" }, "Export ", this.csv, " ", this.json)),
      this.facts,
      element("div", { class: "charts" }, ...charts),
    );
    this.root.dataset.zone = zone.zone;
  }

  async load(range) {
    const { node, camera, zone, kind } = this.zone;
    const which = { node, camera, zone, from_us: range.fromUs, to_us: range.toUs };
    const cut = { ...which, points: POINTS, zero_us: midnightUs() };
    const [series, stays] = await Promise.all([ask("series", cut), kind === "line" ? null : ask("stays", which)]);
    this.csv.href = address("series.csv", cut);
    this.json.href = address("series", cut);
    const start = series.start_us.map((us) => us / 1000);
    const common = { start, stepMs: series.step_s * 1000 };
    this.flow.set({ ...common, entered: series.entered, exited: series.exited, lost: series.lost });
    this.level?.set({ ...common, mean: series.occupancy_mean, peak: series.occupancy_peak });
    if (stays) this.stays.set(stays);
    this.#tell(series, stays);
  }

  /** Numbers now, from the zones list. */
  now(zone) {
    this.zone = zone;
  }

  #tell(series, stays) {
    const total = (values) => values.reduce((a, b) => a + b, 0);
    const [entered, exited, lost] = [total(series.entered), total(series.exited), total(series.lost)];
    const facts = [];
    if (this.level) facts.push(["Inside now", this.zone.occupancy ?? "–"]);
    facts.push(["In", entered], ["Out", exited]);
    if (lost) facts.push(["Lost sight of", lost]);
    if (stays?.count) {
      facts.push([this.zone.queue ? "Median wait" : "Median stay", duration(stays.p50_s)], ["Nine in ten under", duration(stays.p90_s)]);
    }
    this.facts.replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
    Object.assign(this.root.dataset, { entered, exited, lost, stays: stays?.count ?? 0 });
  }
}

const choice = new Choice(() => reload());

function midnightUs() {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime() * 1000;
}

async function load() {
  try {
    const { zones } = await ask("zones");
    const { cameras } = await ask("cameras");
    choice.offer([...cameras, ...zones]);
    const chosen = choice.camera;
    if (chosen !== shownCamera) {
      panels.forEach((panel) => panel.root.remove());
      panels.clear();
      shownCamera = chosen;
      heat.show(cameras.find((one) => `${one.node}/${one.camera}` === chosen) ?? null);
    }
    const range = choice.range();
    const mine = zones.filter((zone) => `${zone.node}/${zone.camera}` === chosen);
    mine.sort((a, b) => Number(b.current) - Number(a.current) || a.zone.localeCompare(b.zone));
    arrange(mine);
    await Promise.all([...panels.values()].map((panel) => panel.load(range)));
    byId("note").textContent = note(mine, range);
  } catch (error) {
    byId("note").textContent = error.message;
  }
}

function arrange(zones) {
  for (const [name, panel] of panels) {
    const zone = zones.find((one) => one.zone === name);
    if (zone && zone.kind === panel.zone.kind && zone.queue === panel.zone.queue && zone.current === panel.zone.current) continue;
    panel.root.remove();
    panels.delete(name);
  }
  for (const zone of zones) {
    if (panels.has(zone.zone)) panels.get(zone.zone).now(zone);
    else panels.set(zone.zone, new Panel(zone));
  }
  const wanted = zones.map((zone) => panels.get(zone.zone).root);
  if (wanted.some((root, i) => byId("zones").children[i] !== root)) byId("zones").replaceChildren(...wanted);
}

function note(zones, range) {
  if (!shownCamera) return "No camera is known yet.";
  if (!zones.length) return "No zone or line is defined on this camera. Draw one on the Live page.";
  return `${moment(range.fromUs / 1000)} to ${range.live ? "now" : moment(range.toUs / 1000)}`;
}

const reload = keepUp(load, () => choice.everyMs());
