// Numbers, times and words as people read them.

export function ms(value) {
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 10) return `${Math.round(value)} ms`;
  return `${value.toFixed(value < 1 ? 2 : 1)} ms`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** `just now`, `40 s ago`, `3 min ago`, then the time of day, then the date. */
export function ago(date, now = new Date()) {
  const seconds = Math.max(0, (now - date) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (date.toDateString() === now.toDateString()) {
    return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
  return date.toLocaleDateString([], { month: "short", day: "numeric" });
}

/** A `<time>` that stays right as time passes (see `refreshTimes`). */
export function timeOf(value) {
  const element = document.createElement("time");
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return element;
  element.dateTime = date.toISOString();
  element.title = date.toLocaleString();
  element.textContent = ago(date);
  return element;
}

export function refreshTimes() {
  const now = new Date();
  for (const element of document.querySelectorAll("time[datetime]")) {
    const text = ago(new Date(element.dateTime), now);
    if (element.textContent !== text) element.textContent = text;
  }
}
