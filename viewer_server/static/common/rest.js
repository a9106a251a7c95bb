// Asks the REST API, and says in one line what went wrong.

const PATIENCE_MS = 15_000;

/** The answer's JSON; an Error with a sentence for people when there is none. */
export async function ask(path, parameters = {}, options = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(given.flatMap(([name, value]) => [value].flat().map((one) => [name, one])));
  const address = `/api/v1/${path}${given.length ? `?${query}` : ""}`;
  let answer;
  try {
    answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? "The viewer does not answer" : "The viewer cannot be reached");
  }
  if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.detail ?? answer.statusText);
  return body;
}

/** An address below the API, with parameters. */
export function address(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `/api/v1/${path}?${new URLSearchParams(given.flatMap(([name, value]) => [value].flat().map((one) => [name, one])))}`;
}

/** Calls something now, and again some time after it has finished, while the page is looked at. */
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
