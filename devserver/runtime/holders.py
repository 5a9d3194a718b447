"""Who still holds a generation that was let go: the thread, the task, or the chain of references.

To be asked right after a garbage collection: what exists then is held by somebody.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType, ModuleType
from typing import Any

from devserver.runtime.chains import chain_text, place_in
from devserver.runtime.interrupt import stack_of_task
from devserver.runtime.kinds import is_a
from devserver.runtime.live import Watched
from devserver.runtime.modules import ModuleTable
from devserver.runtime.ownership import table_of, table_of_namespace

_DEPTH = 25
_WIDTH = 20_000  # objects of one layer
_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """`kind` is thread, task, log handler, atexit, signal handler, reference or unknown;
    `holder` names it, `chain` tells how it reaches the generation."""

    kind: str
    holder: str
    chain: str


def find_holder(
    watched: Watched, *, tasks: Iterable[asyncio.Task[Any]], anchors: Mapping[int, str]
) -> Holder | None:
    """Who holds it; None when it has gone. `anchors` are names of objects by their id that
    rightly live, apart from the modules of sys.modules.

    Takes a few milliseconds a step, in which no other thread runs, and two seconds at most.
    """
    parts = watched.alive()
    if not parts:
        return None
    table = next((t for t in map(table_of, parts) if t is not None), None)
    found = None
    if table is not None:
        found = _running_thread(table) or _running_task(table, tasks)
    return found or _Search(parts, table, watched.label, anchors).run()


def frames_of_task(task: asyncio.Task[Any], table: ModuleTable) -> list[FrameType]:
    """The frames of a task that runs or waits in code of `table`, the innermost last."""
    frames = [frame for frame, _line in traceback.walk_tb(stack_of_task(task))]
    return [f for f in frames if table_of_namespace(f.f_globals) is table]


def _running_thread(table: ModuleTable) -> Holder | None:
    names = {t.ident: t.name for t in threading.enumerate()}
    for ident, innermost in sys._current_frames().items():
        own = [f for f in _outwards(innermost) if table_of_namespace(f.f_globals) is table]
        if own and ident != threading.get_ident():
            name = names.get(ident, str(ident))
            stack = " -> ".join(place_in(f) for f in own[::-1])
            return Holder(
                kind="thread", holder=f"thread {name!r}", chain=f"thread {name!r}: {stack}"
            )
    return None


def _running_task(table: ModuleTable, tasks: Iterable[asyncio.Task[Any]]) -> Holder | None:
    for task in tasks:
        own = [] if task.done() else frames_of_task(task, table)
        if own:
            name = f"task {own[0].f_code.co_qualname!r}"
            stack = " -> ".join(map(place_in, own))
            return Holder(kind="task", holder=name, chain=f"{name} ({task.get_name()}): {stack}")
    return None


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


class _Search:
    """Goes from the generation's parts to whoever refers to them, layer by layer, until it
    comes to something that rightly lives."""

    def __init__(
        self,
        parts: list[Any],
        table: ModuleTable | None,
        label: str,
        anchors: Mapping[int, str],
    ) -> None:
        self._table = table
        self._label = label
        self._anchors = anchors
        self._namespaces = {id(vars(m)): n for n, m in _modules()}
        self._modules = {id(m): n for n, m in _modules()}
        spaces = [vars(part) for part in parts if is_a(part, ModuleType)]
        self._toward: dict[int, tuple[Any, Any]] = {id(o): (o, None) for o in [*parts, *spaces]}
        self._layer: list[Any] = [*parts, *spaces]
        self._own = {id(parts), id(spaces), id(self._toward), id(vars(self))}

    def run(self) -> Holder:
        deadline = time.monotonic() + _SECONDS
        for _ in range(_DEPTH):
            found = self._next_layer()
            if found is not None:
                return found
            if not self._layer or time.monotonic() > deadline:
                break
        return self._in_c_code() or self._local_variable() or self._unknown()

    def _next_layer(self) -> Holder | None:
        layer = self._layer[:_WIDTH]
        self._own |= {id(layer), id(self._layer)}
        here = {id(o) for o in layer}
        above: list[Any] = []
        self._own.add(id(above))
        referrers = gc.get_referrers(*layer)
        self._own.add(id(referrers))
        for referrer in referrers:
            if id(referrer) in self._toward or self._is_ours(referrer):
                continue
            child = next((o for o in gc.get_referents(referrer) if id(o) in here), None)
            if child is None:
                continue
            entry = (referrer, child)
            self._toward[id(referrer)] = entry
            root = self._root(referrer)
            if root is not None:
                return self._holder(root, referrer)
            above.append(referrer)
        self._layer = above
        return None

    def _is_ours(self, thing: object) -> bool:
        """What this search itself made, and what the interpreter makes for it."""
        if id(thing) in self._own or thing is self:
            return True
        if is_a(thing, tuple) and len(thing) == 2 and self._toward.get(id(thing[0])) is thing:
            return True
        return is_a(thing, (FrameType, CodeType)) and not table_of(thing)

    def _root(self, thing: Any) -> str | None:
        name = self._anchors.get(id(thing)) or self._namespaces.get(id(thing))
        if name is None and is_a(thing, ModuleType):
            name = self._modules.get(id(thing))
        if name is None and is_a(thing, threading.Thread) and thing.is_alive():
            name = f"thread {thing.name!r}"
        if name is None and is_a(thing, asyncio.Task) and not thing.done():
            name = f"task {thing.get_name()!r}"
        return name

    def _path(self, start: Any) -> list[Any]:
        path = []
        thing = start
        while thing is not None:
            path.append(thing)
            thing = self._toward[id(thing)][1]
        return path

    def _holder(self, root: str, start: Any, kind: str | None = None) -> Holder:
        path = self._path(start)
        holder, chain = chain_text(root, path, self._table, self._label)
        return Holder(kind=kind or _kind(path), holder=holder, chain=chain)

    def _in_c_code(self) -> Holder | None:
        """Registries that no object stands for."""
        for function in _exit_functions():
            if id(function) in self._toward:
                return self._holder("atexit", function, "atexit")
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if handler is not None and id(handler) in self._toward:
                name = f"signal handler of {signal.Signals(number).name}"
                return self._holder(name, handler, "signal handler")
        return None

    def _local_variable(self) -> Holder | None:
        names = {t.ident: t.name for t in threading.enumerate()}
        for ident, innermost in sys._current_frames().items():
            if ident == threading.get_ident():
                continue
            for frame in _outwards(innermost):
                for name, value in frame.f_locals.items():
                    if id(value) in self._toward:
                        root = f"{name} in {place_in(frame)} of thread {names.get(ident)!r}"
                        return self._holder(root, value, "thread")
        return None

    def _unknown(self) -> Holder:
        """Whatever nobody visible refers to is referred to by C code."""
        for thing, _child in list(self._toward.values())[::-1][:500]:
            referrers = gc.get_referrers(thing)
            if all(self._is_ours(r) or id(r) == id(vars(self)) for r in referrers):
                return self._holder("something in C code", thing, "unknown")
        return Holder(kind="unknown", holder="unknown", chain=f"unknown -> {self._label}")


def _exit_functions() -> list[Any]:
    """What atexit runs. It can only be asked to take away what is equal to something: this
    thing is equal to nothing, and sees all that it is compared with."""
    found: list[Any] = []

    class Nothing:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            found.append(other)
            return False

    atexit.unregister(Nothing())  # type: ignore[arg-type]
    return found


def _modules() -> list[tuple[str, ModuleType]]:
    return [(n, m) for n, m in list(sys.modules.items()) if is_a(m, ModuleType)]


def _kind(path: list[Any]) -> str:
    for thing in path:
        if is_a(thing, threading.Thread):
            return "thread"
        if is_a(thing, asyncio.Task):
            return "task"
        if is_a(thing, logging.Handler):
            return "log handler"
    return "reference"
