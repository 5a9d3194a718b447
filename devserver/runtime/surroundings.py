"""What generations did to the interpreter without the SDK, and how it is undone.

Two ways lead here: functions that register are seen when they are called (`calls`), and lists and
hooks of the interpreter are compared before and after plugin code has run (`places`).
"""

from __future__ import annotations

import importlib.machinery
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from devserver.runtime.calls import Calls
from devserver.runtime.log_traces import LogHandler, adds_handlers
from devserver.runtime.modules import GenerationLoader, ModuleTable
from devserver.runtime.places import Look
from devserver.runtime.traces import (
    Inserted,
    Registered,
    Removed,
    Replaced,
    Trace,
    WarningsFilter,
    of_slot,
    position,
    same,
)


class Surroundings:
    """The traces of every generation of one host. Thread-safe."""

    def __init__(self) -> None:
        self._traces: dict[ModuleTable, list[Trace]] = {}
        self._order: list[Trace] = []
        self._undone: list[Trace] = []
        self._windows = 0
        self._lock = threading.RLock()
        self._calls = Calls(knows=self._traces.__contains__, note=self.note)
        self._aside = _Aside()

    def start(self) -> None:
        """Begins to look."""
        self._calls.install()
        sys.meta_path.append(self._aside)

    def stop(self) -> None:
        """Looks no more; what is not undone stays."""
        self._calls.uninstall()
        if self._aside in sys.meta_path:
            sys.meta_path.remove(self._aside)
        self._traces.clear()
        self._order.clear()

    def open(self, table: ModuleTable) -> None:
        """What this table's code does counts from now on, until `take`."""
        self._traces[table] = []

    def of(self, table: ModuleTable) -> tuple[str, ...]:
        """What a generation did, in words."""
        return tuple(map(str, self._traces.get(table, ())))

    def note(self, table: ModuleTable, trace: Trace) -> None:
        """`table` did this."""
        with self._lock:
            traces = self._traces.get(table)
            if traces is None or self._goes_on(traces, trace):
                return
            if any(isinstance(t, type(trace)) and not t.is_there for t in traces):
                self._forget_past(traces, type(trace))
            traces.append(trace)
            self._order.append(trace)

    def _goes_on(self, traces: list[Trace], trace: Trace) -> bool:
        """True when it only puts another value where the same generation's is on top."""
        if not isinstance(trace, Replaced):
            return False
        there = [
            t for t in self._order if isinstance(t, Replaced) and t.slot.name == trace.slot.name
        ]
        if not there or position(traces, there[-1]) is None:
            return False
        there[-1].value = trace.value
        return True

    def _forget_past(self, traces: list[Trace], kind: type[Trace]) -> None:
        """What plugins do again and again and take back themselves is not collected."""
        for past in [t for t in traces if isinstance(t, kind) and not t.is_there]:
            if not isinstance(past, WarningsFilter) or not self._is_displaced(past):
                self._forget(past)

    def _is_displaced(self, trace: WarningsFilter) -> bool:
        others = [t for t in self._order if isinstance(t, WarningsFilter)]
        return any(t.displaced is not None and t.displaced[1] is trace.item for t in others)

    def traces(self) -> list[Trace]:
        """Those of all generations, in the order of the deeds."""
        return list(self._order)

    # -- while plugin code runs ------------------------------------------------------------------

    @contextmanager
    def window(self, table: ModuleTable, *, leaving: bool = False) -> Iterator[None]:
        """What changes meanwhile was done by code of `table`. One that is `leaving` does so
        beside whatever else happens: only what it takes away of its own is looked at."""
        with self._lock:
            self._windows += 1
            before = Look.now()
        try:
            yield
        finally:
            with self._lock:
                after = Look.now()
                for change in before.until(after):
                    if not self._is_our_doing(change):
                        self._note_change(table, change, leaving)
                self._windows -= 1
                if not self._windows:
                    self._undone.clear()

    def _is_our_doing(self, change: Inserted | Removed | Replaced) -> bool:
        """True for what was undone meanwhile, of a generation that is being let go."""
        if not isinstance(change, Replaced):
            return any(isinstance(t, Inserted) and t.item is change.item for t in self._undone)
        for trace in of_slot(change.slot, self._undone):
            if same(trace.value, change.previous):
                change.previous = trace.previous
        return same(change.value, change.previous)

    def _note_change(
        self, table: ModuleTable, change: Inserted | Removed | Replaced, leaving: bool
    ) -> None:
        trace = self._inserted(change.item) if isinstance(change, Removed) else None
        if trace is not None and trace.veiled_at is None:
            own = position(self._traces.get(table, ()), trace) is not None
            if own or not self._exchange(table, trace):
                self._forget(trace)
        elif trace is None and not leaving and table in self._traces:
            if isinstance(change, Inserted):
                change.claim()
            self.note(table, change)

    def _inserted(self, item: object) -> Inserted | None:
        return next((t for t in self._order if isinstance(t, Inserted) and t.item is item), None)

    def _exchange(self, table: ModuleTable, lost: Inserted) -> bool:
        """Somebody removed an entry by its value and hit another's: the one that is left counts
        as the other's, and his own as gone. False when he has none."""
        for trace in self._traces.get(table, ()):
            if isinstance(trace, Inserted) and trace.item == lost.item and trace.is_there:
                lost.item = trace.item
                self._forget(trace)
                return True
        return False

    def _forget(self, trace: Trace) -> None:
        for traces in (*self._traces.values(), self._order):
            at = position(traces, trace)
            if at is not None:
                del traces[at]

    # -- while a successor is made --------------------------------------------------------------

    def veil(self, tables: Sequence[ModuleTable]) -> None:
        """What these generations did is out of the successors' sight, until `unveil`. Imports
        go on to find what their import paths lead to."""
        with self._lock:
            for table, trace in [(s, t) for s in tables for t in self._traces.get(s, ())]:
                if isinstance(trace, Inserted) and trace.listing.veiled:
                    self._aside.paths.append(trace.item)
                    trace.veil()
                elif isinstance(trace, Replaced) and trace.slot.veiled:
                    trace.veil(self._below(trace, table))

    def _below(self, trace: Replaced, table: ModuleTable) -> Any:
        """What is below the plugin's own: earlier generations may not have been let go yet."""
        others = [t for s, found in self._traces.items() if s.key != table.key for t in found]
        value = trace.previous
        for earlier in of_slot(trace.slot, self._order)[::-1]:
            if position(others, earlier) is None and same(earlier.value, value):
                value = earlier.previous
        return value

    def unveil(self, tables: Sequence[ModuleTable]) -> None:
        """What `veil` hid is there again."""
        with self._lock:
            for trace in [t for table in tables for t in self._traces.get(table, ())][::-1]:
                if isinstance(trace, Inserted):
                    trace.unveil()
                elif isinstance(trace, Replaced):
                    trace.unveil(self)
            self._aside.paths.clear()

    def hand_over(self, old: ModuleTable, new: ModuleTable) -> None:
        """What passes on to a successor is his from now on."""
        with self._lock:
            self._hand_over_handlers(old, new)
            known = [t for t in self._traces.get(old, ()) if isinstance(t, Replaced)]
            legacy = [t for t in known if t.slot.inherited]
            own = {t.slot.name: t for t in self._traces.get(new, ()) if isinstance(t, Replaced)}
            for trace in legacy:
                mine = own.get(trace.slot.name)
                self._traces[old].remove(trace)
                if mine is not None:
                    mine.previous = trace.previous
                    self._order.remove(trace)
                elif new in self._traces:
                    self._traces[new].insert(0, trace)

    def _hand_over_handlers(self, old: ModuleTable, new: ModuleTable) -> None:
        """A successor that found a log handler at its logger, and so added none, keeps it."""
        if new not in self._traces or not adds_handlers(new):
            return
        own = {t.logger for t in self._traces[new] if isinstance(t, LogHandler)}
        for trace in [t for t in self._traces.get(old, ()) if isinstance(t, LogHandler)]:
            if trace.logger not in own and trace.is_there and not trace.is_code_of(old):
                self._traces[old].remove(trace)
                self._traces[new].append(trace)

    # -- the end --------------------------------------------------------------------------------

    def take(self, table: ModuleTable, *, rolled_back: bool) -> list[Trace]:
        """What is to be undone, the last deed first; nothing is noted for `table` any more. What
        it took out of lists comes back when it is rolled back; a successor has done the same."""
        with self._lock:
            taken = self._traces.pop(table, [])[::-1]
            kept = [t for t in taken if isinstance(t, Removed) and not rolled_back]
            self._order = [t for t in self._order if position(kept, t) is None]
            return [t for t in taken if position(kept, t) is None]

    def take_shared(self, table: ModuleTable) -> list[Trace]:
        """What everybody sees of what `table` did, as `take` gives it for a roll back. What
        leads to its own code alone, its functions and log handlers, stays until `take`."""
        with self._lock:
            known = self._traces.get(table, [])
            own = [t for t in known if isinstance(t, (Registered, LogHandler))]
            taken = [t for t in known if position(own, t) is None][::-1]
            known[:] = own
            return taken

    def undo(self, trace: Trace) -> None:
        """Undoes one of those that `take` gave; may raise what plugin code raises."""
        try:
            if isinstance(trace, (Registered, LogHandler)):
                trace.undo(self)  # runs plugin code
                return
            with self._lock:  # others look at the same lists, and move what is in them
                self._undone.append(trace)
                trace.undo(self)
        finally:
            with self._lock:
                at = position(self._order, trace)
                if at is not None:
                    del self._order[at]


def untraced(function: Any, *arguments: Any) -> Any:
    """Calls a function of a plugin; a trace or profile function of a plugin that it leaves in
    the thread is taken away. A debugger's stays."""
    try:
        return function(*arguments)
    finally:
        for get, put in ((sys.gettrace, sys.settrace), (sys.getprofile, sys.setprofile)):
            left = get()
            if isinstance(left, FunctionType) and isinstance(
                left.__globals__.get("__loader__"), GenerationLoader
            ):
                put(None)


class _Aside:
    """Finds what lies below import paths that are veiled for the moment."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None or not self.paths:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, list(self.paths), target)
