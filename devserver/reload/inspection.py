"""What a plugin is doing this moment, and what a reload would make of its state."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from devserver.core.errors import PluginHookFailed
from devserver.core.merge import GLOBAL
from devserver.reload.leaks import LeakWatch
from devserver.runtime.attributes import state_of
from devserver.runtime.capture_foreign import Foreign
from devserver.runtime.capture_instances import RUNNING
from devserver.runtime.gate import Flight
from devserver.runtime.generation import Generation
from devserver.runtime.handover import is_ended_by
from devserver.runtime.holders import frames_of_task
from devserver.runtime.hooks import HookRunner
from devserver.runtime.interrupt import stack_of_task, stack_of_thread
from devserver.runtime.kinds import is_a
from devserver.runtime.ownership import table_of_namespace
from devserver.runtime.registry import PluginRecord
from devserver.runtime.state import Kept, Snapshot
from devserver.runtime.system import PluginSystem
from devserver.runtime.whereabouts import stack_text, where_text

_LONGEST = 5.0
"""Seconds that a plugin's `__reduce__` and the like get while its state is looked at."""
_SIMPLE = type(threading.Lock())
_HANDED_ON = "a registered connection: the next version gets this very object"
_PRIVATE = "a name that begins with _ is no state: the next version makes its own"
_REENTRANT = type(threading.RLock())
_LOCKS = (_SIMPLE, asyncio.Lock, asyncio.Semaphore)


class Inspection:
    """Calls may come from any thread. Nothing of the plugin is changed; to tell what becomes of
    its state, the values are captured as a reload does."""

    def __init__(self, *, system: PluginSystem, leaks: LeakWatch) -> None:
        self._system = system
        self._leaks = leaks
        self._hooks = HookRunner(system.loop, name="inspection")
        self._one_at_a_time = threading.Lock()

    def close(self) -> None:
        """Lets its thread end."""
        self._hooks.close()

    def of(self, record: PluginRecord, *, look: bool = False) -> dict[str, Any]:
        """`{live_generations, leaks, held_for, work, threads, tasks, locks, state, state_error}`;
        texts without the plugin's secrets, and of state no values. With `look` garbage is
        collected first, so that `leaks` are those of now."""
        if look:
            self._leaks.look()
        about: dict[str, Any] = {
            "live_generations": self._system.live.numbers(record.name),
            "leaks": [leak.to_json() for leak in self._leaks.leaks(record.name)],
            "held_for": 0.0, "work": [], "threads": [], "tasks": [], "locks": [], "state": [],
            "state_error": None,
        }  # fmt: skip
        generation = record.generation
        if generation is None:
            return about
        work = [*generation.flights.values(), *generation.streams.values()]
        hold = generation.hold
        rows, problem = self._state(generation)
        return about | {
            "held_for": 0.0 if hold is None else round(hold.oldest_wait(time.monotonic()), 3),
            "work": [self._work(flight) for flight in work],
            "threads": list(self._threads(generation, {flight.thread for flight in work})),
            "tasks": list(self._tasks(generation, work)),
            "locks": list(_locks_of(generation)),
            "state": rows,
            "state_error": problem,
        }

    def _work(self, flight: Flight) -> dict[str, Any]:
        _, _, stack = flight.told().partition("\n")
        mask = self._masked(flight.generation)
        return {
            "label": mask(flight.label),
            "kind": "work" if flight.stream is None else "stream",
            "generation": flight.generation.number,
            "seconds": round(time.monotonic() - flight.started, 3),
            "where": flight.where(),
            "stack": mask(stack),
        }

    def _threads(
        self, generation: Generation, known: set[threading.Thread]
    ) -> Iterator[dict[str, Any]]:
        """Threads that run code of the plugin, of whichever generation, and do no known work."""
        mask = self._masked(generation)
        package = generation.table.package
        for thread in threading.enumerate():
            tables = {t for t in _tables_of(thread) if t.package == package}
            if not tables or thread in known:
                continue
            trace = stack_of_thread(thread)
            yield {
                "name": thread.name,
                "daemon": thread.daemon,
                "current": generation.table in tables,
                "where": where_text(trace),
                "stack": mask(stack_text(trace)),
            }

    def _tasks(self, generation: Generation, work: Iterable[Flight]) -> Iterator[dict[str, Any]]:
        """Those made with create_task, and others that run code of this generation."""
        mask = self._masked(generation)
        seen = {flight.task() for flight in work if flight.task is not None}
        for handle in generation.host.tasks():
            task = None if handle.task is None else handle.task()
            seen.add(task)
            is_done = handle.done() or (task is not None and task.done())
            trace = None if is_done or task is None else stack_of_task(task)
            status = "cancelled" if handle.cancelled else "ended" if is_done else "running"
            yield {
                "name": handle.name,
                "owned": True,
                "status": status if task is not None or is_done else "waits for the commit",
                "where": None if trace is None else where_text(trace),
                "stack": None if trace is None else mask(stack_text(trace)),
            }
        for task in self._system.loop.tasks():
            own = [] if task.done() or task in seen else frames_of_task(task, generation.table)
            if own:
                trace = stack_of_task(task)
                yield {
                    "name": own[0].f_code.co_qualname,
                    "owned": False,
                    "status": "running",
                    "where": where_text(trace),
                    "stack": mask(stack_text(trace)),
                }

    def _state(self, generation: Generation) -> tuple[list[dict[str, Any]], str | None]:
        """What a reload of this plugin alone would do with each attribute and global, and why."""
        with self._one_at_a_time:
            try:
                kept = self._hooks.call(
                    _kept_of, generation,
                    plugin=generation.name, hook="snapshot", timeout=_LONGEST,
                )  # fmt: skip
            except PluginHookFailed as error:
                return [], self._masked(generation)(error.message)
        rows = [_row(generation, kept, n, v) for n, v in sorted(state_of(generation).items())]
        rows += [_stated(c, v, "passed", _HANDED_ON) for c, v in generation.connections.items()]
        private = {n: v for n, v in _own_attributes(generation).items() if n.startswith("_")}
        rows += [_stated(n, v, "anew", _PRIVATE) for n, v in sorted(private.items())]
        return rows, None

    def _masked(self, generation: Generation) -> Callable[[str], str]:
        return lambda text: self._system.secrets.mask(generation.key, text)


def _kept_of(generation: Generation) -> Kept:
    return Snapshot([generation], {}).foreseen(generation.key)


def _row(generation: Generation, kept: Kept, name: str, value: Any) -> dict[str, Any]:
    return _stated(name.removeprefix(GLOBAL), value, *_fate(generation, kept, name, value))


def _stated(name: str, value: Any, fate: str, why: str) -> dict[str, Any]:
    return {"name": name, "type": type(value).__name__, "fate": fate, "why": why}


def _fate(generation: Generation, kept: Kept, name: str, value: Any) -> tuple[str, str]:
    if name in kept.passed:
        return "passed", "it cannot be copied: the next version gets this very object"
    if name in kept.changed:
        if name in generation.baseline.sticky:
            return "kept", "it was restored and not assigned anew since"
        return "kept", "it was changed at run time"
    if _cannot_be_copied(value):
        ended = is_ended_by(generation, name, value)
        how = "it is ended on the way out" if ended else "on_load() or initialize() assigns it"
        return "merged", f"{how}: the next version makes its own"
    return "merged", "it is as initialize() left it: the new code's value is taken"


def _cannot_be_copied(value: Any) -> bool:
    simple = (type(None), bool, int, float, str, bytes, list, dict, set, tuple)
    if type(value) in simple:
        return False
    return is_a(value, RUNNING) or Foreign().is_uncopyable(value)


def _own_attributes(generation: Generation) -> dict[str, Any]:
    """What the instance itself has, but for what the host put there."""
    try:
        values: dict[str, Any] = dict(object.__getattribute__(generation.plugin, "__dict__"))
    except AttributeError:
        return {}
    hidden = ("_host", "_ctx", "_logger", "_config")
    return {n: v for n, v in values.items() if n not in hidden}


def _tables_of(thread: threading.Thread) -> Iterator[Any]:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        table = table_of_namespace(frame.f_globals)
        if table is not None:
            yield table
        frame = frame.f_back


def _locks_of(generation: Generation) -> Iterator[dict[str, Any]]:
    """Locks that the plugin object and its modules hold, taken or not."""
    places = {f"self.{n}": v for n, v in _own_attributes(generation).items()}
    for module, found in list(generation.table.modules.items()):
        label = module[len(generation.table.package) + 1 :] or generation.name
        places |= {f"{label}{GLOBAL}{n}": v for n, v in list(vars(found).items())}
    for name, value in sorted(places.items()):
        if is_a(value, (*_LOCKS, _REENTRANT)):
            yield {"name": name, "type": type(value).__name__, "locked": _is_locked(value)}


def _is_locked(lock: Any) -> bool:
    # A reentrant one does not tell otherwise, and trying it would take it.
    return repr(lock).startswith("<locked") if is_a(lock, _REENTRANT) else bool(lock.locked())
