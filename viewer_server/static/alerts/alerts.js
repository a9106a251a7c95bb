// The page of alerts: newest first, filtered, page by page, each with what became of it at every target.

/** @import { AlertEntry, AlertList } from "../../wire" */

import { buttonById, byId, childrenOf, element, inputById, messageOf, selectById } from "../common/dom.js";
import { isolated, named } from "../common/names.js";
import { address, askInPlace, keepUp, ours } from "../common/rest.js";
import { moment } from "../pages/axes.js";
import { CameraFinder, cameraOptions, distinct } from "../pages/cameras.js";
import { deliveries } from "./deliveries.js";
import { Targets } from "./targets.js";

const PAGE = 50;
const EVERY_MS = 5000;
const API = address(""); // askInPlace takes paths below it

const feed = byId("feed");
const fields = {
  camera: selectById("camera"), rule: inputById("rule"), severity: selectById("severity"), state: selectById("state"),
  from: inputById("from"), to: inputById("to"),
};
/** @type {Map<number, {text: string, shown: HTMLElement}>} */
const known = new Map(); // by the alert's number
/** @type {Set<string>} */
const rules = new Set();
/** @type {string | null} */
let older = null; // cursor of the next page
let wanted = ""; // the filter that the list shows

function filter() {
  const [node, camera] = fields.camera.value.split("/");
  /** @param {HTMLInputElement} box */
  const time = (box) => (box.value ? new Date(box.value).getTime() * 1000 : undefined);
  return {
    node, camera, rule: fields.rule.value.trim(), severity: fields.severity.value, state: fields.state.value,
    from_us: time(fields.from), to_us: time(fields.to),
  };
}

/** @param {Record<string, string | number | null | undefined>} parameters @returns {Promise<AlertList>} */
const load = (parameters) => askInPlace(address("alerts", { limit: PAGE, ...parameters }).slice(API.length));

/** Brings the list up to date: all of it after the filter has changed, else what is new, and what was sent meanwhile. */
async function refresh() {
  try {
    await offer();
    const asked = filter();
    const page = await load(asked);
    const now = JSON.stringify(asked);
    if (now !== JSON.stringify(filter())) return;
    // Where every alert is new, older ones may be missing in the list.
    if (now !== wanted || (feed.children.length && !page.alerts.some(({ id }) => known.has(id)))) {
      wanted = now;
      older = page.next;
      known.clear();
      feed.replaceChildren(...page.alerts.map(item));
    } else insert(page.alerts);
    byId("note").textContent = "";
  } catch (error) {
    byId("note").textContent = messageOf(error);
  }
  tidy();
}

/**
 * Puts alerts at their place in time, as some come late; those that have changed are shown anew.
 * @param {AlertEntry[]} alerts
 */
function insert(alerts) {
  for (const alert of alerts) {
    const before = known.get(alert.id);
    if (before?.text === JSON.stringify(alert)) continue;
    const open = before?.shown.querySelector("details")?.open ?? false;
    const focused = before?.shown.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
    const shown = item(alert);
    if (before) before.shown.replaceWith(shown);
    else feed.insertBefore(shown, childrenOf(feed).find((other) => Number(other.dataset.at) < alert.occurred_us) ?? null);
    const details = shown.querySelector("details");
    if (details) details.open = open;
    if (focused) /** @type {HTMLElement | null} */ (shown.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  }
}

async function more() {
  buttonById("more").disabled = true;
  try {
    const page = await load({ ...filter(), cursor: older });
    const first = feed.children.length;
    feed.append(...page.alerts.map(item));
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
  const shown = element("li", { tabindex: -1, "data-id": alert.event_id, "data-at": alert.occurred_us, "data-rule": alert.rule },
    picture(alert), element("div", {}, what, where, ...deliveries(alert, () => run())));
  known.set(alert.id, { text: JSON.stringify(alert), shown });
  return shown;
}

/** @param {AlertEntry} alert */
function picture({ picture_url: given, text }) {
  const none = () => element("span", { class: "no-picture", "aria-hidden": "true" });
  if (!given) return none();
  const url = ours(given);
  const image = element("img", { src: url, alt: `Picture: ${text}`, loading: "lazy", width: 72, height: 72 });
  image.addEventListener("error", () => image.replaceWith(none()));
  return element("a", { href: url, target: "_blank", rel: "noopener" }, image);
}

/** Offers cameras, and all of a node, to choose from; the current choice stays. */
async function offer() {
  const { cameras } = await finder.load(fields.camera.options.length ? fields.camera.value : asked.get("camera"), false);
  const nodes = new Map(cameras.map(({ node, node_name: name }) => [node, name ?? node]));
  const whole = [...nodes].map(([node, name]) => /** @type {[string, string]} */ ([`${node}/`, `${isolated(name)}, all cameras`]));
  fill([["", "all"], ...distinct(whole), ...cameraOptions(cameras, [])]);
}

/** @param {[string, string][]} options Value and text of each. */
function fill(options) {
  const select = fields.camera;
  const pair = (/** @type {HTMLOptionElement} */ { value, text }) => [value, text];
  if (options.join("\n") === [...select.options].map(pair).join("\n")) return;
  const kept = select.options.length ? select.value : asked.get("camera");
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (kept !== null && options.some(([value]) => value === kept)) select.value = kept;
}

/** Writes the filter into the address, so that it can be kept and sent to others. */
function remember() {
  const kept = new URLSearchParams();
  for (const [name, { value }] of Object.entries(fields)) if (value) kept.set(name, value);
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
}

const asked = new URLSearchParams(location.search);
for (const name of /** @type {const} */ (["rule", "severity", "state", "from", "to"])) fields[name].value = asked.get(name) ?? "";
const finder = new CameraFinder(() => run());
const targets = new Targets();
const run = keepUp(() => Promise.all([refresh(), targets.refresh()]).then(() => {}), () => EVERY_MS);
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
