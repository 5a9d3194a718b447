// Talks with the server: the event stream and the calls.

const KINDS = ["hello", "started", "outcome", "disposed", "plugins", "settings", "notice"];
const RETRY_MS = 2000;

/** What stands before every path where the application is mounted below one. */
export const ROOT = document.body.dataset.root ?? "";

/**
 * Keeps the event stream open. `onEvent(kind, payload)` gets what happens, `onState(state)` one
 * of connecting, live, lost.
 */
export class Feed {
  constructor({ onEvent, onState }) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = new EventSource(`${ROOT}/api/events`);
    this.source.addEventListener("open", () => this.onState("live"));
    this.source.addEventListener("error", () => this.lost());
    for (const kind of KINDS) {
      this.source.addEventListener(kind, (event) => this.onEvent(kind, JSON.parse(event.data)));
    }
  }

  lost() {
    this.onState("lost");
    // The browser tries again by itself, but not after an answer that is no stream.
    if (this.source.readyState === EventSource.CLOSED) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.open(), RETRY_MS);
    }
  }
}

export class CallFailed extends Error {
  constructor(message, hint, status) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

/** The JSON answer of a GET; throws CallFailed. */
export async function get(path) {
  const { response, body } = await call(path, {});
  if (!response.ok) throw failure(response, body);
  return body;
}

/** Reloads a plugin; one that could not go live is no failure of the call. Throws CallFailed. */
export function reload(name) {
  return act(name, "reload?force=true");
}

/** Puts a plugin into service; one that could not go live is no failure of the call. Throws
 * CallFailed. */
export function enable(name) {
  return act(name, "enable");
}

/** Ends a canary, `word` is promote or abort; a promotion that is rolled back is no failure of the
 * call. Throws CallFailed. */
export function endCanary(name, word) {
  return act(name, `canary/${word}`);
}

async function act(name, deed) {
  const path = `/api/plugins/${encodeURIComponent(name)}/${deed}`;
  const { response, body } = await call(path, { method: "POST" });
  if (!response.ok && !(body && "result" in body)) throw failure(response, body);
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(ROOT + path, {
      headers: { Accept: "application/json" }, credentials: "same-origin", ...options,
    });
  } catch {
    throw new CallFailed("the server does not answer", "is it still running?", 0);
  }
  const body = await response.json().catch(() => null);
  return { response, body };
}

function failure(response, body) {
  return new CallFailed(
    body?.error ?? `the server answered ${response.status}`, body?.hint, response.status);
}
