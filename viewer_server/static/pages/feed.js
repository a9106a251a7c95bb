// The events page: stored events, newest first, filtered, page by page.

import { byId, element } from "../common/dom.js";
import { sentence } from "../live/events.js";
import { address, ask, keepUp } from "../common/rest.js";
import { moment } from "./axes.js";

const KINDS = [
  ["", "everything"], ["zone_entered", "zone entered"], ["zone_exited", "zone left"], ["zone_lost", "lost in a zone"],
  ["line_crossed", "line crossed"], ["loitering", "loitering"], ["queue_started", "queue began"], ["queue_ended", "queue over"],
  ["crowd_started", "crowd began"], ["crowd_ended", "crowd over"], ["track_started", "track appeared"],
  ["track_ended", "track left"], ["track_linked", "track continued"], ["gap", "events lost"],
];
const PAGE = 50;
const EVERY_MS = 5000;
const FIELDS = ["camera", "zone", "kind", "label", "from", "to"];

const feed = byId("feed");
const labels = new Set();
let older = null; // cursor of the next page
let wanted = ""; // the filter that the feed shows

function filter() {
  const [node, camera] = byId("camera").value.split("/");
  const time = (id) => (byId(id).value ? new Date(byId(id).value).getTime() * 1000 : undefined);
  return {
    node: node || undefined, camera, zone: byId("zone").value, type: byId("kind").value, label: byId("label").value.trim(),
    from_us: time("from"), to_us: time("to"),
  };
}

/** The first page: all of it after the filter changed, else only what is new. */
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
      byId("csv").href = address("events.csv", asked);
      byId("ndjson").href = address("events.ndjson", asked);
    } else {
      const known = new Set([...feed.children].map((one) => one.dataset.id));
      const fresh = page.events.filter((event) => !known.has(event.event_id));
      if (fresh.length === page.events.length && feed.children.length) wanted = ""; // too much to be joined
      insert(fresh);
    }
    byId("note").textContent = "";
  } catch (error) {
    byId("note").textContent = error.message;
  }
  tidy();
}

/** Late events go to their place in time. */
function insert(events) {
  for (const event of events) {
    const place = [...feed.children].find((other) => Number(other.dataset.at) < event.occurred_us);
    feed.insertBefore(item(event), place ?? null);
  }
}

async function more() {
  byId("more").disabled = true;
  try {
    const page = await ask("events", { ...filter(), limit: PAGE, cursor: older });
    const first = feed.children.length;
    feed.append(...page.events.map(item));
    older = page.next;
    feed.children[first]?.focus();
  } catch (error) {
    byId("note").textContent = error.message;
  }
  byId("more").disabled = false;
  tidy();
}

function tidy() {
  byId("more").hidden = older === null;
  byId("empty").hidden = feed.children.length > 0 || byId("note").textContent !== "";
}

function item(event) {
  if (event.label && !labels.has(event.label)) {
    labels.add(event.label);
    byId("labels").append(element("option", { value: event.label }));
  }
  const ms = event.occurred_us / 1000;
  const when = element("time", { datetime: new Date(ms).toISOString() }, moment(ms, 1000));
  const late = event.historical ? [element("span", { class: "badge", title: "It came late: after an outage, or again" }, "late")] : [];
  const what = element("p", { class: "what" }, ...sentence(event), " ", ...late);
  const where = element("p", { class: "quiet" }, when, ` · ${event.camera} · ${event.node}`);
  const made = element("li", { tabindex: "-1" }, picture(event), element("div", {}, what, where));
  Object.assign(made.dataset, { id: event.event_id, at: event.occurred_us, type: event.type });
  return made;
}

function picture(event) {
  if (!event.snapshot_url) return element("span", { class: "no-picture", "aria-hidden": "true" });
  const about = `Best picture of ${event.label ?? "track"} ${event.track_id}`;
  const image = element("img", { src: event.snapshot_url, alt: about, loading: "lazy", width: 72, height: 72 });
  image.addEventListener("error", () => image.replaceWith(element("span", { class: "no-picture" })));
  return element("a", { href: event.snapshot_url, target: "_blank", rel: "noopener" }, image);
}

/** Cameras and zones to choose from; what is chosen stays. */
async function offer() {
  const [{ cameras }, { zones }] = await Promise.all([ask("cameras"), ask("zones")]);
  const names = [...new Set([...cameras, ...zones].map((one) => `${one.node}/${one.camera}`))].sort();
  fill("camera", [["", "all"], ...names.map((name) => [name, name.split("/").reverse().join(" · ")])]);
  const chosen = byId("camera").value;
  const here = zones.filter((zone) => !chosen || chosen === `${zone.node}/${zone.camera}`).map((zone) => zone.zone);
  fill("zone", [["", "all"], ...[...new Set(here)].sort().map((name) => [name, name])]);
}

function fill(id, options) {
  const select = byId(id);
  if (options.map(([value]) => value).join("\n") === [...select.options].map((one) => one.value).join("\n")) return;
  const kept = select.options.length ? select.value : asked.get(id);
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (options.some(([value]) => value === kept)) select.value = kept;
}

function remember() {
  const kept = new URLSearchParams(FIELDS.map((id) => [id, byId(id).value]).filter(([, value]) => value));
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
}

const asked = new URLSearchParams(location.search);
fill("kind", KINDS);
for (const id of ["label", "from", "to"]) byId(id).value = asked.get(id) ?? "";
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
