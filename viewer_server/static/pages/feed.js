// The events page: stored events, newest first, filtered, page by page.

/** @import { StoredEvent, ZoneSummary } from "../../wire" */

import { byId, element, inputById, linkById, selectById } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { address, ask, keepUp } from "../common/rest.js";
import { sentence } from "../common/sentences.js";
import { Filters } from "../lists/filters.js";
import { snapshot, Timeline } from "../lists/timeline.js";
import { moment } from "./axes.js";
import { CameraFinder, cameraOptions, distinct } from "./cameras.js";

/** @type {[string, string][]} */
const KINDS = [
  ["", "everything"], ["zone_entered", "zone entered"], ["zone_exited", "zone left"], ["zone_lost", "lost in a zone"],
  ["line_crossed", "line crossed"], ["loitering", "loitering"], ["queue_started", "queue began"], ["queue_ended", "queue over"],
  ["crowd_started", "crowd began"], ["crowd_ended", "crowd over"], ["presence_started", "somebody present"],
  ["presence_ended", "nobody present"], ["problem_started", "camera at fault"], ["problem_ended", "camera right again"],
  ["alert", "alert"], ["track_started", "track appeared"],
  ["track_ended", "track left"], ["track_linked", "track continued"], ["gap", "events lost"],
];
const EVERY_MS = 5000;

/** @type {Set<string>} */
const labels = new Set();
const filters = new Filters({
  camera: selectById("camera"), zone: selectById("zone"), kind: selectById("kind"),
  label: inputById("label"), from: inputById("from"), to: inputById("to"),
}, () => run());

function filter() {
  const { camera: chosen, zone, kind, label } = filters.fields;
  const [node, camera] = chosen.value.split("/");
  return {
    node, camera, zone: zone.value, type: kind.value, label: label.value.trim(),
    from_us: filters.moment("from"), to_us: filters.moment("to"),
  };
}

/** @type {Timeline<StoredEvent>} */
const timeline = new Timeline({
  filter,
  load: async (parameters) => {
    const { events, next } = await ask("events", parameters);
    return { found: events, next };
  },
  keyOf: ({ event_id: id }) => id,
  show: item,
});

/** @param {StoredEvent} event */
function item(event) {
  if (event.label && !labels.has(event.label)) {
    labels.add(event.label);
    byId("labels").append(element("option", { value: event.label }));
  }
  const ms = event.occurred_us / 1000;
  const when = element("time", { datetime: new Date(ms).toISOString() }, moment(ms, 1000));
  const title = "The node sent it late, after an outage, or again";
  const late = event.historical ? [element("span", { class: "badge", title }, "late")] : [];
  const what = element("p", { class: "what" }, ...sentence(event), " ", ...late);
  const where = element("p", { class: "quiet" }, when, " · ", named(event.camera_name, event.camera), " · ", named(event.node_name, event.node));
  return element("li", { "data-id": event.event_id, "data-type": event.type },
    snapshot(event.snapshot_url, `Best picture of ${event.label ?? "track"} ${event.track_id}`), element("div", {}, what, where));
}

/** Offers cameras and zones to choose from, and downloads of what is chosen. */
async function offer() {
  const { cameras, zones } = await finder.load(filters.chosen("camera"), false);
  filters.offer("camera", [["", "all"], ...cameraOptions(cameras, zones)]);
  const chosen = filters.fields.camera.value;
  const here = zones.filter((zone) => !chosen || chosen === `${zone.node}/${zone.camera}`);
  const names = [...new Set(here.map(({ zone }) => zone))].map((zone) => /** @type {[string, string]} */ ([zone, zoneName(zone, here)]));
  filters.offer("zone", [["", "all"], ...distinct(names)]);
  linkById("csv").href = address("events.csv", filter());
  linkById("ndjson").href = address("events.ndjson", filter());
}

/**
 * What people call a zone or line. Those of several cameras may have one identifier: then all their names.
 * @param {string} zone
 * @param {ZoneSummary[]} zones
 */
function zoneName(zone, zones) {
  const names = new Set(zones.filter((one) => one.zone === zone).map(({ name }) => name ?? zone));
  return [...names].sort().map(isolated).join(" / ");
}

filters.offer("kind", KINDS);
const finder = new CameraFinder(() => run());
const run = keepUp(() => timeline.refresh(offer), () => EVERY_MS);
