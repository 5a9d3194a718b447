// The timeline of reloads.

import { el, fill, reconcile } from "./dom.js";
import { ms, plural, timeOf } from "./format.js";
import { diagnosticOf } from "./problems.js";

const WORDS = { reloaded: "reloaded", unchanged: "unchanged", rejected: "refused", rolled_back: "rolled back" };
const SIGNS = { reloaded: "✓", unchanged: "=", rejected: "✕", rolled_back: "↩" };
const NAMED = 2;

export function renderActivity(state) {
  if (state.plugins === null) return;
  const entries = state.outcomes.map((outcome) => ({ ...outcome, key: outcome.id }));
  if (state.running) entries.unshift({ ...state.running, key: "running" });
  if (entries.length === 0) entries.push({ key: "none" });
  reconcile(document.getElementById("timeline"), entries, (e) => e.key, newEntry, updateEntry);
}

function newEntry(entry) {
  if (entry.key === "running" || entry.key === "none") return el("li");
  const details = el("details", {}, el("summary"), el("div", { className: "told" }));
  // What is folded away is built when it is first asked for: a long history stays light.
  details.addEventListener("toggle", () => tellMore(details));
  return el("li", {}, details);
}

function updateEntry(item, entry) {
  if (entry.key === "none") {
    item.className = "empty";
    fill(item, el("h3", {}, "No reloads yet"), el("p", {}, "Save a file of a plugin: what happens shows here."));
  } else if (entry.key === "running") {
    item.className = "entry running";
    item.dataset.result = "running";
    fill(item, el("div", { className: "head" }, sign("running", "…"),
      el("span", { className: "names" }, namesOf(entry.plugins ?? [])), el("span", { className: "word" }, "reloading")),
    el("div", { className: "bar" }));
  } else {
    item.className = "entry";
    item.dataset.result = entry.result;
    const details = item.firstElementChild;
    details.outcome = entry;
    fill(details.firstElementChild, headOf(entry), barOf(entry), whyOf(entry), lossOf(entry));
    details.lastElementChild.replaceChildren();
    tellMore(details);
  }
}

function sign(result, text) {
  return el("span", { className: "sign", "data-result": result, "aria-hidden": "true" }, text);
}

function headOf(outcome) {
  return el("div", { className: "head" },
    sign(outcome.result, SIGNS[outcome.result] ?? "?"),
    el("span", { className: "names", title: outcome.plugins.join(", ") }, namesOf(outcome.plugins)),
    el("span", { className: "word" }, outcome.deed || (WORDS[outcome.result] ?? outcome.result)),
    generationsOf(outcome),
    el("span", { className: "total" }, ms(outcome.duration_ms)));
}

function namesOf(names) {
  return names.length <= NAMED ? names.join(", ") : `${names[0]} +${names.length - 1}`;
}

function generationsOf(outcome) {
  const { previous_generation: before, generation: after } = outcome;
  if (!after) return null;
  const text = before && before !== after ? `g${before} → g${after}` : `g${after}`;
  return el("span", { className: "generations" }, text);
}

function barOf(outcome) {
  const bar = el("div", { className: "bar", "aria-hidden": "true" });
  for (const [name, duration] of totals(outcome.steps)) {
    const part = el("span", { "data-step": name, title: `${name} ${ms(duration)}` });
    part.style.flexGrow = String(Math.max(duration, 0.001));
    bar.append(part);
  }
  return bar;
}

/** Milliseconds by step, in order, the plugins of the batch added up; dispose delays nobody. */
function totals(steps) {
  const found = new Map();
  for (const step of steps) {
    if (step.name !== "dispose") found.set(step.name, (found.get(step.name) ?? 0) + step.ms);
  }
  return found;
}

function whyOf(outcome) {
  const where = outcome.changes.length > 1
    ? `${outcome.changes[0]} and ${plural(outcome.changes.length - 1, "more file")}`
    : outcome.changes[0] ?? outcome.trigger;
  const why = outcome.success ? where : outcome.error || outcome.diagnostics[0]?.message || outcome.message;
  return el("div", { className: "why" }, el("span", { className: "what", title: why }, why),
    timeOf(outcome.time * 1000));
}

/** What was neither kept nor passed on is not folded away. */
function lossOf(outcome) {
  const { lost } = outcome.state;
  return lost.length > 0 && el("div", { className: "loss" }, `State lost: ${lost.join(", ")}`);
}

function tellMore(details) {
  const told = details.lastElementChild;
  if (!details.open || told.childElementCount > 0) return;
  const outcome = details.outcome;
  fill(told,
    el("p", { className: "said" }, outcome.message),
    outcome.error && outcome.error !== outcome.message && el("pre", { className: "frame traceback", tabIndex: 0 }, outcome.error),
    outcome.diagnostics.map(diagnosticOf),
    stepsOf(outcome),
    factsOf(outcome));
}

function stepsOf(outcome) {
  if (outcome.steps.length === 0) return null;
  const longest = Math.max(...outcome.steps.map((s) => s.ms), 0.001);
  return el("table", { className: "steps" }, el("caption", { className: "unseen" }, "Steps"),
    el("tbody", {}, outcome.steps.map((step) => {
      const bar = el("span", { className: "length", "data-step": step.name });
      bar.style.width = `${Math.max(1, (100 * step.ms) / longest)}%`;
      return el("tr", {}, el("th", { scope: "row" }, step.name),
        el("td", { className: "of" }, step.plugin ?? ""), el("td", { className: "lane" }, bar),
        el("td", { className: "number" }, ms(step.ms)));
    })));
}

function factsOf(outcome) {
  const { state, routes } = outcome;
  const facts = [
    ["Reloaded", outcome.reloaded], ["Removed", outcome.removed], ["Changes", outcome.changes],
    ["State kept", state.kept], ["New value", state.merged], ["State passed on", state.passed],
    ["State lost", state.lost],
    ["Still serving", outcome.success ? [] : Object.entries(outcome.serving)
      .map(([name, number]) => (number ? `${name} g${number}` : `${name}: nothing`))],
    ["Routes", routes.before === routes.after ? [] : [`${routes.before} → ${routes.after}`]],
    ["Notes", outcome.notes], ["Trigger", [outcome.trigger]],
  ].filter(([, values]) => values.length > 0);
  return el("dl", { className: "facts" }, facts.map(([name, values]) => [
    el("dt", {}, name), el("dd", {}, listed(values)),
  ]));
}

const LISTED = 20;
function listed(values) {
  const more = values.length - LISTED;
  return [values.slice(0, LISTED).map((v) => el("code", {}, v)), more > 0 && ` and ${more} more`];
}
