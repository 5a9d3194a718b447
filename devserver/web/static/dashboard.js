// The dashboard: holds what is known, and draws it when it changes.

import { renderActivity } from "./activity.js";
import { followCanaries } from "./canaries.js";
import { el, fill } from "./dom.js";
import { CallFailed, Feed, enable, get, reload } from "./feed.js";
import { ms, refreshTimes } from "./format.js";
import { followInstances } from "./instances.js";
import { followMessages } from "./messages.js";
import { renderPlugins } from "./plugins.js";
import { renderProblems } from "./problems.js";

const SHOWN_OUTCOMES = 100;
const TOAST_MS = 8000;
const $ = (id) => document.getElementById(id);

const state = {
  run: null,
  plugins: null,
  outcomes: [],
  running: null,
  settings: null,
  busy: new Set(),
  filter: "",
  status: null,
  allProblems: false,
};
const project = document.title;

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    renderPlugins(state, {
      onReload: (name) => act(reload, name),
      onEnable: (name) => act(enable, name),
      onStatus: chooseStatus,
    });
    renderProblems(state, { onAll: toggleProblems });
    renderActivity(state);
    const failing = state.plugins?.filter(isFailing).length ?? 0;
    document.title = failing ? `(${failing}) ${project}` : project;
  });
}

function isFailing(plugin) {
  return plugin.status === "failed" || plugin.diagnostics.some((d) => d.severity === "error");
}

function chooseStatus(status) {
  state.status = state.status === status ? null : status;
  draw();
}

function toggleProblems() {
  state.allProblems = !state.allProblems;
  draw();
}

let reading = null;
let stale = false;
/** Reads the plugins again; one reading at a time, and one more when asked for in between. */
async function refresh() {
  if (reading) {
    stale = true;
    return reading;
  }
  reading = (async () => {
    do {
      stale = false;
      await readAll();
    } while (stale);
  })().finally(() => { reading = null; });
  return reading;
}

async function readAll() {
  try {
    const [plugins, watch] = await Promise.all([get("/api/plugins"), get("/api/hot-reload/status")]);
    state.plugins = plugins;
    showWatch(watch);
    draw();
  } catch (error) {
    tell(error);
  }
}

async function readHistory() {
  try {
    const known = await get(`/api/history?limit=${SHOWN_OUTCOMES}`);
    state.outcomes = known;
    draw();
  } catch (error) {
    tell(error);
  }
}

function showWatch(watch) {
  const pill = $("watch");
  pill.hidden = false;
  pill.dataset.state = watch.watching ? "live" : "off";
  pill.textContent = watch.watching ? `watching · ${watch.mode}` : "not watching";
}

function showConnection(connection) {
  const words = { connecting: "connecting", live: "live", lost: "reconnecting" };
  $("connection").dataset.state = connection;
  $("connection").textContent = words[connection];
}

const on = {
  hello(payload) {
    if (state.run !== null && state.run !== payload.run) state.settings = null;
    state.run = payload.run;
    state.running = null;
    refresh();
    readHistory();
    followCanaries(tell);
    followInstances();
    followMessages();
  },
  started(payload) {
    state.running = payload;
    draw();
  },
  outcome(payload) {
    state.running = null;
    state.outcomes = [payload, ...state.outcomes.filter((o) => o.id !== payload.id)]
      .slice(0, SHOWN_OUTCOMES);
    announce(payload);
    refresh();
    draw();
  },
  disposed(payload) {
    state.outcomes = state.outcomes.map((outcome) => (outcome.id !== payload.outcome
      || outcome.steps.some((s) => s.name === payload.step.name) ? outcome
      : { ...outcome, steps: [...outcome.steps, payload.step] }));
    draw();
  },
  plugins() {
    refresh();
    followCanaries(tell);
  },
  settings(payload) {
    state.settings = payload.ok ? null : payload;
    refresh();
  },
  notice(payload) {
    const about = payload.plugin ? `${payload.plugin}: ` : "";
    toast(about + payload.message, payload.hint, payload.level);
  },
};

function announce(outcome) {
  const names = outcome.plugins.join(", ");
  const said = outcome.success
    ? `${names}: ${outcome.result} in ${ms(outcome.duration_ms)}`
    : `${names}: ${outcome.message}`;
  $("announcer").textContent = said;
}

async function act(deed, name) {
  if (state.busy.has(name)) return;
  state.busy.add(name);
  draw();
  try {
    await deed(name);
  } catch (error) {
    tell(error);
  } finally {
    state.busy.delete(name);
    draw();
  }
}

function tell(error) {
  if (!(error instanceof CallFailed)) throw error;
  if (error.status === 0) return;  // the connection pill says so already
  toast(error.message, error.hint, "error");
}

function toast(message, hint, level) {
  const shown = Array.from($("toasts").children).find((t) => t.dataset.text === message);
  shown?.remove();
  const box = el("div", { className: "toast", role: level === "error" ? "alert" : "status",
    "data-level": level ?? "info", "data-text": message },
  el("div", {}, el("strong", {}, message), hint && el("p", {}, hint)),
  el("button", { type: "button", className: "quiet", "aria-label": "Dismiss",
    on: { click: () => box.remove() } }, "×"));
  $("toasts").append(box);
  setTimeout(() => box.remove(), TOAST_MS);
}

function listenToKeys() {
  const filter = $("filter");
  filter.addEventListener("input", () => {
    state.filter = filter.value.trim().toLowerCase();
    draw();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === "Escape" && typing === filter) {
      filter.value = "";
      filter.dispatchEvent(new Event("input"));
      filter.blur();
    }
  });
}

// A link of an earlier run leaves its token in the address: it is of no use there.
if (location.search) history.replaceState(null, "", location.pathname);
fill($("timeline"));
listenToKeys();
setInterval(refreshTimes, 5000);
new Feed({ onEvent: (kind, payload) => on[kind](payload), onState: showConnection });
