// The canaries: new versions that answer a share of the requests beside those that serve.

import { el, fill, reconcile } from "./dom.js";
import { endCanary, get } from "./feed.js";
import { plural, timeOf } from "./format.js";

const LOOK_MS = 1000;
const $ = (id) => document.getElementById(id);
const busy = new Set();
let known = [];
let timer = null;

/** Shows those that run, and goes on looking while there are any. `tell(error)` gets what fails. */
export async function followCanaries(tell) {
  try {
    known = await get("/api/canaries");
    draw(tell);
  } catch (error) {
    tell(error);  // what was known last stays
  }
  clearTimeout(timer);
  timer = known.length ? setTimeout(() => followCanaries(tell), LOOK_MS) : null;
}

function draw(tell) {
  $("canaries").hidden = known.length === 0;
  $("canaries-tally").textContent = String(known.length);
  // How long one has been running is shown from `started`.
  const shown = known.map((one) => ({ ...one, seconds: 0, busy: busy.has(one.plugin) }));
  reconcile($("canary-list"), shown, (one) => `${one.plugin} ${one.generation}`,
    (one) => newCard(one, tell), updateCard);
}

async function end(name, word, tell) {
  if (busy.has(name)) return;
  busy.add(name);
  draw(tell);
  try {
    await endCanary(name, word);
  } catch (error) {
    tell(error);
  } finally {
    busy.delete(name);
    followCanaries(tell);
  }
}

function newCard({ plugin }, tell) {
  const button = (word, text) => el("button", { type: "button", "data-word": word,
    "aria-label": `${text} ${plugin}`, on: { click: () => end(plugin, word, tell) } }, text);
  return el("article", { className: "card canary" },
    el("header", {}, el("h3"), el("div", { className: "words" },
      button("abort", "Roll back"), button("promote", "Promote"))),
    el("div", { className: "share", role: "img" }, el("span")),
    el("dl", { className: "sides" }),
    el("p", { className: "until" }));
}

function updateCard(card, canary) {
  const [header, share, sides, until] = card.children;
  const others = canary.plugins.filter((name) => name !== canary.plugin);
  const percent = Number(canary.percent.toPrecision(3));
  fill(header.firstElementChild, canary.plugin, " ",
    others.length > 0 && el("span", { className: "version" }, `with ${others.join(", ")}`), " ",
    canary.sticky && el("span", { className: "need", title: "a client stays with one version" },
      "sticky"));
  for (const button of header.querySelectorAll("button")) {
    button.setAttribute("aria-disabled", String(canary.busy));
  }
  share.setAttribute("aria-label", `${percent} % of the requests go to g${canary.generation}`);
  share.firstElementChild.style.width = `${canary.percent}%`;
  fill(sides, side("new", `Canary g${canary.generation}`, percent, canary.new),
    side("old", `Serving g${canary.beside}`, Number((100 - percent).toPrecision(3)), canary.old));
  fill(until, untilOf(canary), " · began ", timeOf(canary.started * 1000));
}

function side(name, title, percent, tally) {
  const rate = `${(tally.rate * 100).toFixed(1)} %`;
  return el("div", { "data-side": name },
    el("dt", {}, title, " ", el("span", { className: "version" }, `${percent} %`)),
    el("dd", {}, el("b", {}, tally.requests), tally.requests === 1 ? " request" : " requests"),
    el("dd", { "data-failing": tally.errors > 0 }, el("b", {}, tally.errors), ` failed · ${rate}`));
}

function untilOf(canary) {
  const needed = canary.requests_needed;
  if (needed === 0) return "promoted by word only";
  const answered = Math.min(canary.new.requests, needed);
  return `promoted if it fails no more often: ${answered} of ${plural(needed, "request")} so far`;
}
