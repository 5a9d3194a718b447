"""What the server says of a plugin that it runs, as findings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from devserver.cli.findings import Finding, error, ok, told, warning
from devserver.cli.text import count, few
from devserver.core.diagnostics import Diagnostic

_LONG = 5.0
"""Seconds from which on work inside a plugin holds a reload up noticeably."""
Document = Mapping[str, Any]


def of_plugin(live: Document, known: Collection[tuple[str, str | None, int | None]]) -> Iterator[
    Finding
]:  # fmt: skip
    """Its status. `known` are code, file and line of what its files have shown already."""
    name, reason = live["name"], live["reason"]
    if live["status"] == "failed":
        hint = f"correct it and save, or `sysctl plugins reload {name}`"
        yield error("plugin", f"failed: {reason}", hint)
    elif live["status"] == "disabled":
        yield warning("plugin", f"disabled: {reason}", f"sysctl plugins enable {name}")
    else:
        yield ok("plugin", f"{live['status']}, g{live['generation']}")
    if live["pending"] and live["status"] != "failed":
        hint = f"correct what is told here, or `sysctl plugins reload {name}`"
        yield warning("plugin", reason, hint)
    new = [Diagnostic.from_json(d) for d in live["diagnostics"]]
    yield from told("plugin", (d for d in new if (d.code, d.file, d.line) not in known))
    if live["queued"]:
        told_queue = f"{count(live['queued'], 'reload')} waiting for another one to end"
        yield warning("plugin", told_queue, "the server's terminal shows which one")


def of_work(live: Document) -> Iterator[Finding]:
    """What a reload has to wait for."""
    if live["held_for"]:
        told_held = f"requests have been waiting for {live['held_for']:.1f} s while it is reloaded"
        yield warning("work", told_held, "they go on when what is inside has ended, shown here")
    for one in live["work"]:
        line = f"{one['label']}, for {one['seconds']:.1f} s, at {one['where']}"
        if one["kind"] == "stream":
            yield ok("work", f"{line} (a stream: delays no reload)")
        elif one["seconds"] >= _LONG:
            hint = "a reload waits for it up to reload.drain_timeout, requests up to reload.timeout"
            yield warning("work", line, hint)
        else:
            yield ok("work", line)
    if not live["work"]:
        yield ok("work", "nothing is inside: a reload need not wait")


def of_threads(live: Document) -> Iterator[Finding]:
    """Threads and tasks that run its code."""
    for one in live["threads"]:
        line = f"{one['name']} at {one['where']}"
        if one["current"]:
            yield ok("threads", line)
        else:
            hint = "end it in shutdown(), or let it ask an Event whether to go on"
            yield warning("threads", f"{line}, of an old version", hint)
    for one in live["tasks"]:
        place = f" at {one['where']}" if one["where"] else ""
        line = f"{one['name']}, {one['status']}{place}"
        if one["owned"]:
            yield ok("tasks", line)
        else:
            hint = "begin it with self.create_task(function): it is paused and cancelled then"
            yield warning("tasks", f"{line}, of nobody", hint)
    if not live["threads"] and not live["tasks"]:
        yield ok("threads", "no thread and no task of its own")


def of_locks(live: Document) -> Iterator[Finding]:
    """Locks in its attributes and modules."""
    for one in live["locks"]:
        line = f"{one['name']} ({one['type']})"
        if one["locked"]:
            hint = "what holds it is under work, threads and tasks; a hook that waits for it hangs"
            yield warning("locks", f"{line} is taken", hint)
        else:
            yield ok("locks", f"{line} is free")
    if not live["locks"]:
        yield ok("locks", "none in its attributes and modules")


def of_state(live: Document, last: Document | None) -> Iterator[Finding]:
    """What a reload would make of its state, and what the last one lost."""
    if live["state_error"]:
        yield error("state", live["state_error"], "see `__reduce__` and `__getstate__` of values")
    by_fate: dict[str, list[str]] = {}
    for row in live["state"]:
        by_fate.setdefault(row["fate"], []).append(row["name"])
    words = [f"{fate} {few(names)}" for fate, names in by_fate.items()]
    if not live["state_error"]:
        yield ok("state", f"a reload now: {'; '.join(words) or 'there is none'}")
    lost = () if last is None else last["state"]["lost"]
    if lost:
        hint = "give them in get_persistent_state(), or make them anew in initialize()"
        yield warning("state", f"outcome {last['id']} lost {few(lost)}", hint)  # type: ignore[index]


def of_leaks(live: Document) -> Iterator[Finding]:
    """Who holds versions that were let go."""
    for leak in live["leaks"]:
        yield warning("leaks", f"g{leak['generation']} is held by {leak['chain']}", leak["hint"])
    if not live["leaks"]:
        numbers = ", ".join(f"g{n}" for n in live["live_generations"]) or "none"
        yield ok("leaks", f"in memory: {numbers}")


def of_dependencies(graph: Document, name: str) -> Iterator[Finding]:
    """Whom it needs, who needs it, circles, and what is missing, from the graph around it."""
    row = next(r for r in graph["plugins"] if r["name"] == name)
    status = {r["name"]: r["status"] for r in graph["plugins"]}
    needs = row["dependencies"]
    for cycle in graph["cycles"]:
        yield error(
            "dependencies",
            f"a circle: {' → '.join(cycle)}",
            "move what both need into a third plugin",
        )
    missing = [n for n in needs if n in graph["missing"]]
    if missing:
        yield error("dependencies", f"not there: {few(missing)}", "install or write it")
    down = [n for n in needs if status.get(n) in ("failed", "disabled")]
    if down:
        told_down = ", ".join(f"{n} is {status[n]}" for n in down)
        yield error("dependencies", told_down, f"sysctl plugins debug {down[0]}")
    by = few(row["dependents"]) or "nobody"
    yield ok("dependencies", f"needs {few(needs) or 'no other'}, is needed by {by}")
