// Asks the viewer's REST API. Every failure is an error whose message people can read.

/**
 * @import { CameraList, DetectAnswer, EventList, HeatmapAnswer, NodeList, PathList, ZoneList, ZoneSeries, ZoneStays } from "../../wire"
 * @typedef {{
 *   cameras: CameraList, detect: DetectAnswer, events: EventList, heatmap: HeatmapAnswer, nodes: NodeList, paths: PathList,
 *   series: ZoneSeries, stays: ZoneStays, zones: ZoneList,
 * }} Answers By path.
 * @typedef {Record<string, string | number | string[] | null | undefined>} Parameters Empty ones are left out.
 */

const PATIENCE_MS = 15_000;
const API = "api/v1/"; // relative, as every address here: the viewer may be below a path of a proxy

/** The viewer refused a request; or nothing came back, and the status is 0. */
export class Refusal extends Error {
  /**
   * @param {number} status HTTP status code.
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * An address below the API, with parameters; relative to the pages.
 * @param {string} path
 * @param {Parameters} parameters
 */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value ?? ""].flat()) if (one !== "") query.append(name, String(one));
  }
  return `${API}${path}${query.size ? `?${query}` : ""}`;
}

/**
 * An address that the API gave, as the page can open it: the viewer may not know below which path it is.
 * @param {string} given
 */
export const ours = (given) => given.slice(given.lastIndexOf(API));

/**
 * The newest picture of a camera; null when there is none.
 * @param {{picture_url: string}} camera
 */
export async function pictureOf({ picture_url: url }) {
  const answer = await fetch(ours(url));
  return answer.ok ? createImageBitmap(await answer.blob()) : null;
}

/**
 * The API's answer. When the API asks for a login, the page goes to the login page.
 * @template {keyof Answers} T
 * @param {T} path
 * @param {Parameters} parameters
 * @param {RequestInit} options
 * @returns {Promise<Answers[T]>}
 */
export async function ask(path, parameters = {}, options = {}) {
  try {
    return await answerOf(address(path, parameters), options);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) {
      const page = location.pathname.slice(location.pathname.lastIndexOf("/"));
      location.assign(`login?next=${encodeURIComponent(page)}`);
    }
    throw error;
  }
}

/**
 * The API's answer, for an editor with unsaved changes: the page stays where it is when the login has ended.
 * @param {string} path
 * @param {object} [body] Sent as JSON with POST; without one it is a GET.
 * @param {number} [patienceMs]
 * @param {AbortSignal[]} withdrawn End it before.
 */
export async function askInPlace(path, body, patienceMs = PATIENCE_MS, ...withdrawn) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  try {
    return await answerOf(address(path), { ...body ? post : {}, signal: AbortSignal.any([AbortSignal.timeout(patienceMs), ...withdrawn]) });
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 401) throw error;
    throw new Refusal(401, "The login has ended: log in on another tab, then try again here");
  }
}

/**
 * @param {string} url
 * @param {RequestInit} options
 */
async function answerOf(url, options) {
  let answer;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch (error) {
    const isSlow = error instanceof DOMException && error.name === "TimeoutError";
    throw new Refusal(0, isSlow ? "The viewer does not answer" : "The viewer cannot be reached");
  }
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  const body = isJson ? await answer.json() : { detail: (await answer.text()).slice(0, 300) };
  if (!answer.ok) throw new Refusal(answer.status, body.detail || answer.statusText);
  return body;
}

/**
 * Runs a task now, and again some time after each run has finished, as long as the page is visible.
 * @param {() => Promise<void>} task
 * @param {() => number} everyMs
 * @returns {() => Promise<void>} Runs it at once, or once more when it is running.
 */
export function keepUp(task, everyMs) {
  let timer = 0;
  let running = false;
  let again = false;
  const run = async () => {
    clearTimeout(timer);
    again = running;
    if (running || document.hidden) return;
    running = true;
    try {
      await task();
    } finally {
      running = false;
      timer = setTimeout(run, again ? 0 : everyMs());
    }
  };
  document.addEventListener("visibilitychange", run);
  run();
  return run;
}
