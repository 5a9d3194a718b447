// The API browser: what the live plugins answer, and a way to try it. It follows every reload.

import { el, fill, reconcile } from "./dom.js";
import { Feed, get } from "./feed.js";
import { exampleOf, fieldsOf, isFile, isList, typeOf } from "./schemas.js";

const FORMS = { "multipart/form-data": FormData, "application/x-www-form-urlencoded": URLSearchParams };
const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const at = (id) => document.getElementById(id);
let api = { tags: [], paths: {}, components: {} };

/** The operations and mounted places of one plugin, in the document's order. */
function entriesOf(plugin) {
  const entries = [];
  for (const [path, item] of Object.entries(api.paths)) {
    if (!path.startsWith(`/${plugin}/`)) continue;
    const methods = METHODS.filter((method) => item[method]);
    if (!methods.length) entries.push({ path, summary: item.summary ?? "" });
    for (const method of methods) entries.push({ path, method, operation: item[method], ...bodyOf(item[method]) });
  }
  return entries;
}

/** What to begin with as the body, of its first kind; a form has fields instead. */
function bodyOf(operation) {
  const [kind, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (!kind) return {};
  if (FORMS[kind]) return { kind, fields: fieldsOf(api, content.schema) };
  return { kind, example: exampleOf(api, content.schema), type: typeOf(api, content.schema) };
}

function show() {
  const wanted = at("filter").value.trim().toLowerCase();
  const fits = (entry) => [entry.path, entry.method, entry.operation?.summary ?? entry.summary]
    .join(" ").toLowerCase().includes(wanted);
  const groups = api.tags
    .map((tag) => ({ tag, entries: entriesOf(tag.name).filter(fits) }))
    .filter((group) => group.entries.length);
  reconcile(at("groups"), groups, (group) => group.tag.name, createGroup, updateGroup);
  const count = groups.reduce((sum, group) => sum + group.entries.length, 0);
  at("tally").textContent = String(count);
  at("nothing").hidden = count > 0;
  at("nothing").textContent = wanted ? "No route matches the filter." : "No plugin answers yet.";
}

function createGroup() {
  return el("section", { className: "group" }, el("h3"), el("p"), el("p", { className: "trouble" }), el("div", { className: "card" }));
}

function updateGroup(section, { tag, entries }) {
  const [title, about, trouble, list] = section.children;
  fill(title, tag.name, el("span", {}, `${tag["x-version"]} g${tag["x-generation"]}`));
  fill(about, tag.description ?? "");
  fill(trouble, (tag["x-problems"] ?? []).join(" · "));
  about.hidden = !tag.description;
  trouble.hidden = !tag["x-problems"];
  reconcile(list, entries, (entry) => `${entry.method} ${entry.path}`, createEntry, updateEntry);
}

function createEntry(entry) {
  if (!entry.method) return el("p", { className: "mounted" });
  return el("details", { className: "operation" }, el("summary"), el("div", { className: "trial" }));
}

function updateEntry(element, entry) {
  if (!entry.method) {
    fill(element, el("code", {}, entry.path), ` ${entry.summary}`);
    return;
  }
  const { method, path, operation } = entry;
  const [summary, trial] = element.children;
  fill(summary,
    el("span", { className: "method", "data-method": method }, method),
    el("span", { className: "place" }, path),
    el("span", { className: "said" }, operation.summary ?? ""),
    (operation["x-required-permissions"] ?? []).map((key) =>
      el("span", { className: "lock", title: "needs this permission" }, key)));
  fill(trial, ...trialOf(entry));
}

function inputOf(one) {
  const takesFile = one.in === "form" && isFile(api, one.schema);
  const input = el("input", { type: takesFile ? "file" : "text", "aria-label": one.name });
  if (takesFile) input.multiple = isList(api, one.schema);
  else input.value = String(one.schema?.default ?? "");
  return input;
}

function trialOf({ path, method, operation, kind, fields, example, type }) {
  const parameters = (operation.parameters ?? []).filter((one) => ["path", "query", "header"].includes(one.in));
  const inputs = [...parameters, ...(fields ?? [])].map((one) => ({ one, input: inputOf(one) }));
  const body = kind && !fields ? el("textarea", { "aria-label": "Body", spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(example, null, 2);
  const answer = el("div", { className: "answer", hidden: true, role: "status" });
  const button = el("button", { type: "button", className: "send" }, "Send");
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(answer, ...(await send(path, method, inputs, kind, body)));
    answer.hidden = false;
    button.disabled = false;
  });
  return [
    operation.description ? el("p", {}, operation.description) : null,
    ...inputs.map(({ one, input }) => el("label", { className: "field" },
      el("span", {}, one.name + (one.required ? " *" : ""), el("small", {}, `${one.in} · ${typeOf(api, one.schema)}`)), input)),
    body ? el("h4", {}, `Body · ${kind} · ${type}`) : null,
    body,
    el("div", { className: "statuses" }, Object.entries(operation.responses ?? {}).map(([status, told]) =>
      el("span", {}, el("code", {}, status), ` ${told.description ?? ""}`))),
    button,
    answer,
  ].filter((part) => part !== null);
}

/** What an input holds: files, texts between commas where there may be several, or one text. */
function valuesOf(one, input) {
  if (input.files) return [...input.files];
  const texts = isList(api, one.schema) ? input.value.split(",").map((text) => text.trim()) : [input.value];
  return texts.filter((text) => text !== "");
}

/** Asks, and gives what to show of the answer. */
async function send(path, method, inputs, kind, body) {
  const query = new URLSearchParams();
  const headers = {};
  const form = FORMS[kind] && new FORMS[kind]();
  let target = path;
  for (const { one, input } of inputs) {
    if (one.in === "path") target = target.replace(`{${one.name}}`, encodeURIComponent(input.value));
    else if (one.in === "query") for (const value of valuesOf(one, input)) query.append(one.name, value);
    else if (one.in === "form") for (const value of valuesOf(one, input)) form.append(one.name, value);
    else if (one.in === "header" && input.value !== "") headers[one.name] = input.value;
  }
  if (kind && !form) headers["Content-Type"] = kind; // else the browser tells it, with its boundary
  if (at("token").value) headers.Authorization = `Bearer ${at("token").value}`;
  const url = query.size ? `${target}?${query}` : target;
  const began = performance.now();
  try {
    const response = await fetch(url, { method: method.toUpperCase(), headers, body: form ?? body?.value, credentials: "same-origin" });
    const text = await response.text();
    const took = `${Math.round(performance.now() - began)} ms`;
    const type = response.headers.get("content-type") ?? "";
    return [
      el("b", { "data-good": String(response.ok) }, String(response.status)),
      ` ${response.statusText} · ${took} · ${type}`,
      el("div", {}, el("code", {}, `${method.toUpperCase()} ${url}`)),
      text ? el("pre", {}, pretty(text, type)) : null,
    ];
  } catch (error) {
    return [el("b", { "data-good": "false" }, "no answer"), ` ${error.message}`];
  }
}

function pretty(text, type) {
  if (!type.includes("json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function refresh() {
  try {
    api = await get("/openapi.json");
    show();
  } catch (error) {
    at("nothing").hidden = false;
    at("nothing").textContent = error.message;
  }
}

at("filter").addEventListener("input", show);
refresh();
new Feed({
  onEvent: (kind) => { if (kind === "hello" || kind === "outcome" || kind === "plugins") refresh(); },
  onState: (state) => {
    at("connection").dataset.state = state;
    at("connection").textContent = state;
  },
});
