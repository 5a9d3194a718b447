// The diagnostics: where, what, what to do next, and what still serves.

import { el, fill, reconcile } from "./dom.js";
import { plural } from "./format.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 4;
const RANK = { error: 0, warning: 1, info: 2 };

export function renderProblems(state, { onAll }) {
  const groups = (state.plugins ?? [])
    .filter((p) => p.diagnostics.length > 0)
    .map((p) => ({
      key: `plugin ${p.name}`, name: p.name, serving: servingOf(p), diagnostics: p.diagnostics,
    }));
  if (state.settings) {
    groups.unshift({
      key: "settings", name: "config/hot-loading.yaml", serving: "the earlier settings stay in force",
      diagnostics: state.settings.diagnostics ?? [],
    });
  }
  groups.sort((a, b) => worst(a) - worst(b));
  const count = groups.reduce((sum, g) => sum + g.diagnostics.length, 0);
  $("problems").hidden = groups.length === 0;
  $("problems").dataset.severity = groups.length ? Object.keys(RANK)[worst(groups[0])] : "";
  $("problems-tally").textContent = String(count);
  const shown = state.allProblems ? groups : groups.slice(0, SHOWN);
  const more = $("problems-more");
  more.hidden = groups.length <= SHOWN;
  more.textContent = state.allProblems ? "Show fewer" : `Show ${groups.length - SHOWN} more`;
  more.setAttribute("aria-expanded", String(Boolean(state.allProblems)));
  more.onclick = onAll;
  reconcile($("problems-list"), shown, (g) => g.key,
    () => el("article", { className: "card problem" }), updateGroup);
}

function worst(group) {
  return Math.min(2, ...group.diagnostics.map((d) => RANK[d.severity] ?? 2));
}

function servingOf(plugin) {
  if (plugin.generation && ["active", "reloading"].includes(plugin.status)) {
    return plugin.pending ? `g${plugin.generation} is still serving` : `g${plugin.generation} is serving`;
  }
  return "nothing is serving";
}

function updateGroup(article, group) {
  const sorted = [...group.diagnostics].sort((a, b) => (RANK[a.severity] ?? 2) - (RANK[b.severity] ?? 2));
  article.dataset.severity = Object.keys(RANK)[worst(group)];
  fill(article,
    el("header", {},
      el("h3", {}, group.name),
      sorted.length > 1 && el("span", { className: "tally" }, plural(sorted.length, "finding")),
      el("span", { className: "serving", "data-down": group.serving.startsWith("nothing") },
        group.serving)),
    sorted.map(diagnosticOf));
}

/** One diagnostic, as the panel and the timeline show it. */
export function diagnosticOf(diagnostic) {
  return el("div", { className: "diagnostic", "data-severity": diagnostic.severity },
    el("p", { className: "message" },
      el("span", { className: "code" }, diagnostic.code), " ",
      el("span", { className: "unseen" }, `${diagnostic.severity}: `), diagnostic.message),
    placeOf(diagnostic) && el("p", { className: "place" }, placeOf(diagnostic)),
    frameOf(diagnostic),
    diagnostic.hint && el("p", { className: "hint" }, diagnostic.hint),
    diagnostic.traceback && el("details", {}, el("summary", {}, "Traceback"),
      el("pre", { className: "frame traceback", tabIndex: 0 }, diagnostic.traceback)));
}

function placeOf(d) {
  return d.file ? [d.file, d.line, d.column].filter((part) => part != null).join(":") : "";
}

/** The judged source lines with their numbers and what is around them; the marked text stands out. */
function frameOf(d) {
  const lines = d.source_lines ?? [];
  if (lines.length === 0 || d.line == null) return null;
  const numbered = lines.map((text, index) => {
    const [before, marked, after] = cut(text, ...marksOf(d, index, lines.length, text));
    return el("div", { className: "line" },
      el("span", { className: "at" }, d.line + index),
      el("code", {}, before, marked && el("mark", {}, marked), after || (marked ? "" : " ")));
  });
  const before = d.lines_before ?? [];
  const around = (texts, first) => texts.map((text, index) =>
    el("div", { className: "line around" },
      el("span", { className: "at" }, first + index), el("code", {}, text || " ")));
  return el("div", { className: "frame", tabIndex: 0, role: "group", "aria-label": "Source" },
    around(before, d.line - before.length), numbered,
    around(d.lines_after ?? [], d.line + lines.length));
}

/** The first and the last marked character of a line, as half-open offsets. */
function marksOf(d, index, count, text) {
  const indent = text.length - text.trimStart().length;
  const first = index === 0 ? (d.column ?? indent + 1) - 1 : indent;
  const last = index === count - 1 && d.end_column != null ? d.end_column - 1 : text.length;
  return [first, Math.max(last, first + 1)];
}

function cut(text, from, to) {
  // Columns count characters; JavaScript's strings count UTF-16 units.
  const characters = Array.from(text.padEnd(from + 1));
  const part = (a, b) => characters.slice(a, b).join("");
  return [part(0, from), part(from, to), part(to)];
}
