// What plugins tell each other: the last events, and what became of them.

import { el, fill, reconcile } from "./dom.js";
import { CallFailed, get } from "./feed.js";
import { timeOf } from "./format.js";

const LOOK_MS = 2000;
const SHOWN = 50;
const WIDEST = 160;
const $ = (id) => document.getElementById(id);
let timer = null;

/** Shows them from now on, while somebody looks at the page. */
export async function followMessages() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      renderMessages(await get(`/api/events/recent?limit=${SHOWN}`));
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;  // what was known last stays
    }
  }
  timer = setTimeout(followMessages, LOOK_MS);
}

function renderMessages(events) {
  $("messages").hidden = events.length === 0;
  const failed = events.filter((event) => event.deliveries.some(isTrouble)).length;
  $("messages-tally").textContent = failed ? `${failed} of ${events.length} with trouble`
    : `last ${events.length}`;
  reconcile($("message-rows"), events, (event) => event.id, newRow, updateRow);
}

function newRow() {
  const cell = (label, className = "") => el("td", { className, "data-label": label });
  const row = el("tr");
  row.append(el("th", { scope: "row" }), cell("When"), cell("From"), cell("To"),
    cell("Data", "message-data"));
  return row;
}

function updateRow(row, event) {
  const [topic, when, from, to, data] = row.children;
  topic.textContent = event.topic;
  fill(when, timeOf(event.time * 1000));
  from.textContent = event.plugin || "-";
  const waiting = event.listeners - event.deliveries.length;
  fill(to, event.deliveries.map((delivery) => el("span", { className: "need",
    title: delivery.error ?? `${delivery.listener}, ${delivery.ms} ms`,
    "data-result": delivery.result },
  isTrouble(delivery) ? `${delivery.plugin} ${delivery.result}` : delivery.plugin)),
  waiting > 0 && `${waiting} waiting`, event.listeners === 0 && "nobody");
  const text = event.data === null ? "" : JSON.stringify(event.data);
  data.textContent = text.length > WIDEST ? `${text.slice(0, WIDEST)}…` : text;
}

function isTrouble(delivery) {
  return delivery.result !== "delivered";
}
