// The page of alerts: newest first, filtered, page by page, each with what became of it at every target.

/** @import { AlertEntry, AlertList } from "../../wire" */

import { byId, element, inputById, selectById } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { address, askInPlace, keepUp } from "../common/rest.js";
import { Filters } from "../lists/filters.js";
import { snapshot, Timeline } from "../lists/timeline.js";
import { moment } from "../pages/axes.js";
import { CameraFinder, cameraOptions, distinct } from "../pages/cameras.js";
import { deliveries } from "./deliveries.js";
import { Targets } from "./targets.js";

const EVERY_MS = 5000;
const API = address(""); // askInPlace takes paths below it

/** @type {Set<string>} */
const rules = new Set();
const filters = new Filters({
  camera: selectById("camera"), rule: inputById("rule"), severity: selectById("severity"), state: selectById("state"),
  from: inputById("from"), to: inputById("to"),
}, () => run());

function filter() {
  const { camera: chosen, rule, severity, state } = filters.fields;
  const [node, camera] = chosen.value.split("/");
  return {
    node, camera, rule: rule.value.trim(), severity: severity.value, state: state.value,
    from_us: filters.moment("from"), to_us: filters.moment("to"),
  };
}

/** @type {Timeline<AlertEntry>} */
const timeline = new Timeline({
  filter,
  load: async (parameters) => {
    /** @type {AlertList} */
    const { alerts, next } = await askInPlace(address("alerts", parameters).slice(API.length));
    return { found: alerts, next };
  },
  keyOf: ({ id }) => id,
  show: item,
});

/** @param {AlertEntry} alert */
function item(alert) {
  if (!rules.has(alert.rule)) {
    rules.add(alert.rule);
    byId("known-rules").append(element("option", { value: alert.rule }, alert.name ?? alert.rule));
  }
  const ms = alert.occurred_us / 1000;
  const when = element("time", { datetime: new Date(ms).toISOString() }, moment(ms, 1000));
  const late = alert.late ? [" ", element("span", { class: "badge", title: "The node sent it late, after an outage" }, "late")] : [];
  const what = element("p", { class: "what" }, element("bdi", {}, alert.text), " ",
    element("span", { class: "badge", "data-severity": alert.severity }, alert.severity), ...late);
  const camera = alert.camera ? [" · ", named(alert.camera_name, alert.camera)] : [];
  const where = element("p", { class: "quiet" }, when, " · ", named(alert.name, alert.rule), ...camera, " · ", named(alert.node_name, alert.node));
  return element("li", { "data-id": alert.event_id, "data-rule": alert.rule },
    snapshot(alert.picture_url, `Picture: ${alert.text}`), element("div", {}, what, where, ...deliveries(alert, () => run())));
}

/** Offers cameras, and all of a node, to choose from. */
async function offer() {
  const { cameras } = await finder.load(filters.chosen("camera"), false);
  const nodes = new Map(cameras.map(({ node, node_name: name }) => [node, name ?? node]));
  const whole = [...nodes].map(([node, name]) => /** @type {[string, string]} */ ([`${node}/`, `${isolated(name)}, all cameras`]));
  filters.offer("camera", [["", "all"], ...distinct(whole), ...cameraOptions(cameras, [])]);
}

const finder = new CameraFinder(() => run());
const targets = new Targets();
const run = keepUp(() => Promise.all([timeline.refresh(offer), targets.refresh()]).then(() => {}), () => EVERY_MS);
