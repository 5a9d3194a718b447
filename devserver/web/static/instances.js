// The instances that share the database, where there are several.

import { el, fill, reconcile } from "./dom.js";
import { CallFailed, get } from "./feed.js";

const LOOK_MS = 3000;
const MOST_PLUGINS = 60;
const $ = (id) => document.getElementById(id);
let timer = null;

/** Shows them from now on; one look is enough where nothing is shared. */
export async function followInstances() {
  let shared = true;
  try {
    const known = await get("/api/instances");
    shared = known.shared;
    renderInstances(known);
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
    $("instances-tally").textContent = error.message;  // what was known last stays
  }
  clearTimeout(timer);
  if (shared) timer = setTimeout(followInstances, LOOK_MS);
}

function renderInstances(known) {
  const rows = known.instances;
  $("instances").hidden = rows.length < 2;
  const live = rows.filter((row) => row.live).length;
  $("instances-tally").textContent = live === rows.length ? String(live)
    : `${live} of ${rows.length} live`;
  // What is left of a lease changes all the time and is not shown.
  reconcile($("instance-rows"), rows.map((row) => ({ ...row, lease: 0 })), (row) => row.id,
    newRow, updateRow);
}

function newRow() {
  const cell = (label, className = "") => el("td", { className, "data-label": label });
  const row = el("tr");
  row.append(el("th", { scope: "row" }), cell("State"), cell("Revision", "number"), cell("Plugins"));
  return row;
}

function updateRow(row, instance) {
  const [name, state, revision, plugins] = row.children;
  fill(name, instance.is_self ? `${instance.host}:${instance.pid}`
    : el("a", { href: instance.url }, `${instance.host}:${instance.pid}`),
  instance.is_self && el("span", { className: "version" }, "this one"));
  fill(state, el("span", { className: "badge", "data-status": instance.live ? "active" : "failed" },
    instance.live ? "live" : "gone"));
  revision.textContent = instance.revision;
  const entries = Object.entries(instance.plugins);
  fill(plugins, entries.slice(0, MOST_PLUGINS).map(([plugin, { status, generation }]) => el("span",
    { className: "need", title: status }, `${plugin} ${generation ? `g${generation}` : status}`)),
  entries.length > MOST_PLUGINS && `and ${entries.length - MOST_PLUGINS} more`);
}
