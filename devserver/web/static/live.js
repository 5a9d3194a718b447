// On the pages of plugins: refreshes the page when its plugin was reloaded, and shows what is wrong
// when it was refused. Connected while the page is visible: browsers allow few streams at a time.

(() => {
  const script = document.currentScript;
  const { plugin, generation } = script.dataset;
  const address = (path) => new URL(`../../${path}`, script.src);
  const RETRY_MS = 2000;
  const REFRESHED = `devserver:${plugin}`;
  let source = null;
  let timer = 0;
  let run = null;
  let overlay = null;
  let dismissed = "";
  let checks = 0;

  function connect() {
    disconnect();
    if (document.visibilityState !== "visible") return;
    source = new EventSource(address("api/events"));
    source.addEventListener("hello", (event) => greet(JSON.parse(event.data)));
    for (const kind of ["outcome", "plugins"]) source.addEventListener(kind, check);
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) later();
    });
  }

  function disconnect() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  /** The browser does not try again by itself after an answer that is no stream. */
  function later() {
    disconnect();
    timer = setTimeout(connect, RETRY_MS);
  }

  function greet(hello) {
    if (run !== null && run !== hello.run) return refresh(`run ${hello.run}`);
    run = hello.run;
    check();
  }

  async function check() {
    const path = `api/hot-reload/plugins/${encodeURIComponent(plugin)}/info`;
    const mine = ++checks;
    let answer;
    try {
      answer = await fetch(address(path), { headers: { Accept: "application/json" } });
    } catch {
      return; // the stream notices as well, and comes back with the server
    }
    if (answer.status === 401 || answer.status === 403) return disconnect();
    if (!answer.ok) return;
    const state = await answer.json();
    if (mine !== checks) return; // one that was asked later knows more
    const serving = ["active", "reloading"].includes(state.status) ? String(state.generation) : "0";
    if (serving !== generation && serving !== "0") return refresh(`${run} g${serving}`);
    const refused = state.pending || serving === "0";
    const errors = refused ? state.diagnostics.filter((d) => d.severity === "error") : [];
    show(errors, serving);
  }

  /** Once for each version: a page that comes from a cache must not go round in circles. */
  function refresh(version) {
    if (sessionStorage.getItem(REFRESHED) === version) return;
    sessionStorage.setItem(REFRESHED, version);
    location.reload();
  }

  function show(errors, serving) {
    const stamp = JSON.stringify(errors);
    if (errors.length === 0 || stamp === dismissed) return hide();
    if (overlay?.stamp === stamp) return;
    hide();
    overlay = document.createElement("devserver-overlay");
    overlay.stamp = stamp;
    const root = overlay.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const close = el("button", "", "×");
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => dismiss(stamp));
    const still = serving === "0" ? "nothing is serving" : `g${serving} is still serving`;
    root.append(el("section", "", el("header", "", el("strong", "", `${plugin} was not reloaded`),
      el("span", "", still), close), ...errors.map(draw)));
    root.firstChild.setAttribute("role", "alert");
    document.documentElement.append(overlay);
  }

  function hide() {
    overlay?.remove();
    overlay = null;
  }

  function dismiss(stamp) {
    dismissed = stamp;
    hide();
  }

  function draw(d) {
    const place = d.file ? [d.file, d.line, d.column].filter((p) => p != null).join(":") : "";
    const lines = (texts, first, kind) => (texts ?? []).map((text, index) =>
      el("div", kind, String(first + index).padStart(5), "  ", text));
    const before = d.lines_before ?? [];
    const source = d.source_lines ?? [];
    return el("article", "", el("p", "message", `${d.code}: ${d.message}`), el("p", "place", place),
      source.length > 0 && d.line != null && el("pre", "",
        lines(before, d.line - before.length, ""), lines(source, d.line, "at"),
        lines(d.lines_after, d.line + source.length, "")),
      d.hint && el("p", "hint", d.hint),
      d.traceback && el("details", "", el("summary", "", "Traceback"), el("pre", "", d.traceback)));
  }

  /** Text is only ever set as text: what plugins say is never markup. */
  function el(tag, name, ...children) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children.flat().filter((c) => c));
    return element;
  }

  const STYLE = `
    :host { all: initial; position: fixed; inset: auto 0 0 0; z-index: 2147483647; }
    section { box-sizing: border-box; max-height: 60vh; overflow: auto; padding: 0 20px 16px;
      background: #1b1d22; color: #e8e8ea; border-top: 3px solid #e5484d;
      font: 14px/1.5 system-ui, sans-serif; box-shadow: 0 -8px 32px #0008; }
    header { position: sticky; top: 0; display: flex; gap: 12px; align-items: center;
      padding: 12px 0; background: inherit; }
    header span { color: #a0a3ab; flex: 1; }
    button { all: unset; cursor: pointer; font-size: 22px; line-height: 1; padding: 2px 8px; }
    button:focus-visible { outline: 2px solid #6ea8fe; border-radius: 4px; }
    p { margin: 4px 0; } .message { color: #ff9592; font-weight: 600; white-space: pre-wrap; }
    .place, .hint { color: #a0a3ab; } .place { font-family: ui-monospace, monospace; }
    pre { margin: 8px 0; padding: 8px; overflow-x: auto; background: #111216; border-radius: 6px;
      font: 13px/1.5 ui-monospace, monospace; color: #a0a3ab; }
    .at { color: #fff; background: #e5484d33; }
    summary { cursor: pointer; color: #a0a3ab; }`;

  document.addEventListener("visibilitychange", connect);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && overlay) dismiss(overlay.stamp);
  });
  // A page that comes back from the browser's history is an old one.
  addEventListener("pageshow", (event) => event.persisted && connect());
  addEventListener("pagehide", disconnect);
  connect();
})();
