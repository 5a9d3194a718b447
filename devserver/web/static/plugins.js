// The table of plugins.

import { el, fill, reconcile } from "./dom.js";
import { ROOT } from "./feed.js";
import { timeOf } from "./format.js";

const $ = (id) => document.getElementById(id);
const STATUSES = ["failed", "reloading", "loading", "unloading", "active", "registered", "disabled"];

export function renderPlugins(state, actions) {
  if (state.plugins === null) return;
  const all = state.plugins.map((plugin) => ({
    ...plugin, shown: statusOf(plugin, state), busy: state.busy.has(plugin.name),
  }));
  const chosen = all.filter((p) => matches(p, state)).sort(byUrgency);
  $("loading").hidden = true;
  $("no-plugins").hidden = all.length > 0;
  $("no-match").hidden = all.length === 0 || chosen.length > 0;
  $("table").hidden = chosen.length === 0;
  $("filter").hidden = all.length < 2;
  $("plugins-tally").textContent =
    chosen.length === all.length ? String(all.length) : `${chosen.length} of ${all.length}`;
  renderChips(all, state, actions);
  renderCounts(all);
  reconcile($("rows"), chosen, (p) => p.name, () => newRow(actions), updateRow);
}

/** The badge's word: a refused change shows, although the plugin itself is active. */
function statusOf(plugin, state) {
  if (state.running?.plugins?.includes(plugin.name) && plugin.status === "active") return "reloading";
  const refused = plugin.diagnostics.some((d) => d.severity === "error");
  if (plugin.status === "active" && plugin.pending) return refused ? "refused" : "pending";
  const health = plugin.health?.status;
  if (plugin.status === "active" && (health === "unhealthy" || health === "degraded")) return health;
  return plugin.status;
}

function matches(plugin, state) {
  const text = `${plugin.name} ${plugin.description}`.toLowerCase().replaceAll("-", "_");
  return (!state.status || plugin.shown === state.status)
    && text.includes(state.filter.replaceAll("-", "_"));
}

function byUrgency(a, b) {
  const rank = (p) => (p.shown === "failed" ? 0 : p.shown === "refused" ? 1
    : p.shown === "unhealthy" || p.shown === "degraded" ? 2 : 3);
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

function renderChips(all, state, actions) {
  const counts = new Map();
  for (const plugin of all) counts.set(plugin.shown, (counts.get(plugin.shown) ?? 0) + 1);
  if (state.status && !counts.has(state.status)) counts.set(state.status, 0);
  const order = ["failed", "refused", "unhealthy", "degraded", "pending", ...STATUSES.slice(1)];
  const chips = order.filter((s) => counts.has(s))
    .map((status) => ({ status, count: counts.get(status), on: state.status === status }));
  reconcile($("chips"), chips, (c) => c.status, (c) => el("button", {
    type: "button", className: "chip", "data-status": c.status,
    on: { click: () => actions.onStatus(c.status) },
  }), (element, c) => {
    element.setAttribute("aria-pressed", String(c.on));
    fill(element, el("b", {}, c.count), ` ${c.status}`);
  });
}

function renderCounts(all) {
  const serving = all.filter((p) => ["active", "reloading"].includes(p.status));
  const routes = serving.reduce((sum, p) => sum + p.routes_count, 0);
  const counts = [["plugins", all.length], ["serving", serving.length], ["routes", routes]];
  reconcile($("counts"), counts, ([name]) => name, () => el("div"),
    (box, [name, count]) => fill(box, el("dt", {}, name), el("dd", {}, count)));
}

function newRow(actions) {
  const cell = (label, className = "") => el("td", { className, "data-label": label });
  const row = el("tr");
  const button = el("button", { type: "button", className: "reload", on: {
    click: () => {
      const act = isOut(row.dataset.status) ? actions.onEnable : actions.onReload;
      act(row.dataset.key);
    },
  } });
  row.append(
    el("th", { scope: "row" }), cell("Status"), cell("Generation", "number"),
    cell("Reloads", "number"), cell("Routes", "number"), cell("Loaded", "loaded"),
    cell("Depends on", "needs"), el("td", { className: "action" }, button));
  return row;
}

function updateRow(row, plugin) {
  const [name, status, generation, reloads, routes, loaded, needs, action] = row.children;
  row.dataset.status = plugin.shown;
  fill(name,
    el("a", { href: `${ROOT}/${encodeURIComponent(plugin.name)}/`, title: `Open /${plugin.name}/` },
      plugin.name),
    plugin.version && el("span", { className: "version" }, plugin.version),
    plugin.description && el("p", { className: "about", title: plugin.description },
      plugin.description));
  fill(status, badge(plugin.shown), reasonOf(plugin));
  generation.textContent = plugin.generation ? `g${plugin.generation}` : "–";
  reloads.textContent = plugin.reload_count;
  routes.textContent = plugin.routes_count;
  fill(loaded, plugin.last_loaded ? timeOf(plugin.last_loaded) : "never");
  fill(needs, plugin.dependencies.map((d) => el("span", { className: "need" }, d)),
    plugin.dependencies.length === 0 && el("span", { className: "nothing" }, "–"));
  const button = action.firstElementChild;
  // Not `disabled`: that would take the focus away from the keyboard.
  button.setAttribute("aria-disabled", String(plugin.busy));
  const [deed, sign] = isOut(plugin.shown) ? ["Enable", "▶"] : ["Reload", "↻"];
  button.setAttribute("aria-label", `${deed} ${plugin.name}`);
  button.setAttribute("aria-busy", String(plugin.busy));
  fill(button, el("span", { className: "spin", "aria-hidden": "true" }, sign),
    el("span", { className: "wide" }, ` ${deed}`));
}

/** True for a plugin that the operator keeps out of service. */
function isOut(status) {
  return status === "disabled" || status === "registered";
}

export function badge(status) {
  return el("span", { className: "badge", "data-status": status }, status);
}

function reasonOf(plugin) {
  const calm = plugin.shown === "active";
  const ill = plugin.shown === plugin.health?.status;
  const reason = ill ? plugin.health.message || "its health check says so" : plugin.reason;
  return reason && !calm ? el("p", { className: "reason", title: reason }, reason) : null;
}
