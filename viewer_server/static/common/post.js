// Asking the viewer to do something.

const PATIENCE_MS = 15_000;

/** The status and the JSON that came back; status 0 when nothing did. */
export async function send(method, url, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  try {
    const answer = await fetch(url, {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status === 401) return [401, { error: "the login has ended: log in on another tab, then try again here" }];
    if (!answer.headers.get("Content-Type")?.includes("json")) {
      return [answer.status, { error: (await answer.text()).slice(0, 300) || answer.statusText }];
    }
    const said = await answer.json();
    return [answer.status, answer.ok ? said : { error: said.detail ?? said.title ?? answer.statusText, ...said }];
  } catch (error) {
    return [0, { error: error.name === "TimeoutError" ? "the viewer does not answer" : "the viewer cannot be reached" }];
  }
}
