// The events page: stored events, newest first, filtered, page by page.

/** @import { StoredEvent, ZoneSummary } from "../../wire" */

import { buttonById, byId, childrenOf, element, inputById, linkById, messageOf, selectById } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { address, ask, keepUp, ours } from "../common/rest.js";
import { sentence } from "../common/sentences.js";
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
const PAGE = 50;
const EVERY_MS = 5000;

const feed = byId("feed");
const fields = {
  camera: selectById("camera"), zone: selectById("zone"), kind: selectById("kind"),
  label: inputById("label"), from: inputById("from"), to: inputById("to"),
};
/** @type {Set<string>} */
const labels = new Set();
/** @type {string | null} */
let older = null; // cursor of the next page
let wanted = ""; // the filter that the list shows

function filter() {
  const [node, camera] = fields.camera.value.split("/");
  /** @param {HTMLInputElement} box */
  const time = (box) => (box.value ? new Date(box.value).getTime() * 1000 : undefined);
  return {
    node, camera, zone: fields.zone.value, type: fields.kind.value, label: fields.label.value.trim(),
    from_us: time(fields.from), to_us: time(fields.to),
  };
}

/** Brings the first page up to date: all of it after the filter has changed, else only what is new. */
async function refresh() {
  try {
    await offer();
    const asked = filter();
    const page = await ask("events", { ...asked, limit: PAGE });
    const now = JSON.stringify(asked);
    if (now !== JSON.stringify(filter())) return;
    if (now !== wanted) {
      wanted = now;
      older = page.next;
      feed.replaceChildren(...page.events.map(item));
      linkById("csv").href = address("events.csv", asked);
      linkById("ndjson").href = address("events.ndjson", asked);
    } else {
      const known = new Set(childrenOf(feed).map((one) => one.dataset.id));
      const fresh = page.events.filter((event) => !known.has(event.event_id));
      // Every event is new, so older ones may be missing in the list: the next refresh rebuilds it.
      if (fresh.length === page.events.length && feed.children.length) wanted = "";
      insert(fresh);
    }
    byId("note").textContent = "";
  } catch (error) {
    byId("note").textContent = messageOf(error);
  }
  tidy();
}

/**
 * Puts events at their place in time: some come late.
 * @param {StoredEvent[]} events
 */
function insert(events) {
  for (const event of events) {
    const place = childrenOf(feed).find((other) => Number(other.dataset.at) < event.occurred_us);
    feed.insertBefore(item(event), place ?? null);
  }
}

async function more() {
  buttonById("more").disabled = true;
  try {
    const page = await ask("events", { ...filter(), limit: PAGE, cursor: older });
    const first = feed.children.length;
    feed.append(...page.events.map(item));
    older = page.next;
    childrenOf(feed)[first]?.focus();
  } catch (error) {
    byId("note").textContent = messageOf(error);
  }
  buttonById("more").disabled = false;
  tidy();
}

function tidy() {
  byId("more").hidden = older === null;
  byId("empty").hidden = feed.children.length > 0 || byId("note").textContent !== "";
}

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
  return element("li", { tabindex: -1, "data-id": event.event_id, "data-at": event.occurred_us, "data-type": event.type },
    picture(event), element("div", {}, what, where));
}

/** @param {StoredEvent} event */
function picture(event) {
  if (!event.snapshot_url) return element("span", { class: "no-picture", "aria-hidden": "true" });
  const about = `Best picture of ${event.label ?? "track"} ${event.track_id}`;
  const url = ours(event.snapshot_url);
  const image = element("img", { src: url, alt: about, loading: "lazy", width: 72, height: 72 });
  image.addEventListener("error", () => image.replaceWith(element("span", { class: "no-picture" })));
  return element("a", { href: url, target: "_blank", rel: "noopener" }, image);
}

/** Offers cameras and zones to choose from; the current choice stays. */
async function offer() {
  const { cameras, zones } = await finder.load(fields.camera.options.length ? fields.camera.value : asked.get("camera"), false);
  fill("camera", [["", "all"], ...cameraOptions(cameras, zones)]);
  const chosen = fields.camera.value;
  const here = zones.filter((zone) => !chosen || chosen === `${zone.node}/${zone.camera}`);
  const names = [...new Set(here.map(({ zone }) => zone))].map((zone) => pair(zone, zoneName(zone, here)));
  fill("zone", [["", "all"], ...distinct(names)]);
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

/** @param {string} value @param {string} text @returns {[string, string]} */
const pair = (value, text) => [value, text];

/**
 * @param {"camera" | "zone" | "kind"} name
 * @param {[string, string][]} options Value and text of each.
 */
function fill(name, options) {
  const select = fields[name];
  if (options.join("\n") === [...select.options].map(({ value, text }) => pair(value, text)).join("\n")) return;
  const kept = select.options.length ? select.value : asked.get(name);
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (kept !== null && options.some(([value]) => value === kept)) select.value = kept;
}

/** Writes the filter into the address, so that it can be kept and sent to others. */
function remember() {
  const kept = new URLSearchParams(Object.entries(fields).map(([name, { value }]) => pair(name, value)).filter(([, value]) => value));
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
}

const asked = new URLSearchParams(location.search);
fill("kind", KINDS);
for (const name of /** @type {const} */ (["label", "from", "to"])) fields[name].value = asked.get(name) ?? "";
const finder = new CameraFinder(() => run());
const run = keepUp(refresh, () => EVERY_MS);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", () => {
  remember();
  run();
});
byId("filters").addEventListener("reset", () => setTimeout(() => {
  remember();
  run();
}));
byId("more").addEventListener("click", more);
