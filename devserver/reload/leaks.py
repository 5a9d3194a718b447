"""Looks whether generations that were let go are gone, and names who holds those that are not."""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devserver.core.names import normalise
from devserver.runtime.class_caches import forget_classes
from devserver.runtime.holders import Holder, find_holder, frames_of_task
from devserver.runtime.live import Watched
from devserver.runtime.ownership import table_of
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.leaks")

_QUIET = 1.0  # seconds without another generation let go, after which it looks
_LONGEST = 10.0  # seconds that it waits for quiet at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A generation that is still in memory, and who holds it."""

    plugin: str
    generation: int
    rolled_back: bool
    holder: Holder

    @property
    def message(self) -> str:
        which = f"g{self.generation}" + (" (rolled back)" if self.rolled_back else "")
        return f"{self.plugin} {which} is still in memory, held by {self.holder.chain}"

    @property
    def hint(self) -> str:
        keeper = _PLUGIN.match(self.holder.holder) if self.holder.kind == "reference" else None
        name = keeper and normalise(keeper[1] or keeper[2])
        if name and name != normalise(self.plugin):
            return (
                f"what {name!r} keeps of {self.plugin!r} is made new with it where it depends on "
                "it (an import, or `dependencies`); else let it ask for it at each use"
            )
        return _HINTS.get(self.holder.kind, "let go of it in shutdown() or with on_cleanup()")

    def to_json(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "rolled_back": self.rolled_back,
            "kind": self.holder.kind,
            "holder": self.holder.holder,
            "chain": self.holder.chain,
            "hint": self.hint,
        }


_PLUGIN = re.compile(r"plugin (\S+) \(g|plugins\.(\w+)")
"""How the name of a holder begins that is a plugin's object or module."""
_HINTS = {
    "thread": "end the thread in shutdown(), or let it ask an Event whether to go on",
    "task": "let it end when it is cancelled: do not swallow asyncio.CancelledError",
    "log handler": "take it off with removeHandler() in shutdown()",
    "atexit": "call atexit.register in the plugin's own code, or unregister it in shutdown()",
    "unknown": "a library or C code keeps it: look for where it was handed over",
}


class LeakWatch:
    """Owns the thread `leak-watch`. It looks once the server is quiet: a collection of garbage
    stops all threads for some milliseconds. What exists then is looked at a second time, so that
    a request that is just ending is no leak. `tell` gets every leak once."""

    def __init__(self, system: PluginSystem, *, tell: Callable[[Leak], object]) -> None:
        self._system = system
        self._tell = tell
        self._condition = threading.Condition()
        self._first = 0.0
        self._last = 0.0
        self._pending = False
        self._stopped = False
        self._looks = threading.Lock()
        self._suspects: set[Watched] = set()
        self._leaks: dict[Watched, Leak] = {}
        self._thread = threading.Thread(target=self._run, name="leak-watch", daemon=True)
        self.quiet = _QUIET
        system.live.on_let_go(self._expect)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def leaks(self, name: str) -> list[Leak]:
        """Those of one plugin that still are, as far as it has looked."""
        known = [leak for watched, leak in list(self._leaks.items()) if not watched.is_gone]
        return [leak for leak in known if normalise(leak.plugin) == normalise(name)]

    def look(self) -> None:
        """Looks now, and names whatever is held."""
        with self._looks:
            self._suspects.update(self._remaining())
            self._look()

    def _expect(self) -> None:
        with self._condition:
            self._last = time.monotonic()
            if not self._pending:
                self._first, self._pending = self._last, True
            self._condition.notify()

    def _run(self) -> None:
        while self._wait():
            try:
                with self._looks:
                    again = self._look()
            except Exception:  # noqa: BLE001 - reprs and attributes of plugins' objects are asked
                _log.exception("who holds an old generation could not be found out")
                again = False
            if again:
                self._expect()

    def _wait(self) -> bool:
        """Until it is time to look; False at the stop."""
        with self._condition:
            while not self._stopped:
                if not self._pending:
                    self._condition.wait()
                    continue
                now = time.monotonic()
                due = min(self._last + self.quiet, self._first + _LONGEST)
                if now >= due and (not self._is_busy() or now >= self._first + _LONGEST):
                    self._pending = False
                    return True
                self._condition.wait(max(due - now, 0.02))
        return False

    def _is_busy(self) -> bool:
        records = self._system.registry.view.plugins.values()
        return any(r.generation is not None and r.generation.flights for r in records)

    def _remaining(self) -> list[Watched]:
        """What exists once garbage is collected; nothing is collected when all is gone."""
        if self._system.live.remaining():
            forget_classes()
            gc.collect()
        return self._system.live.remaining()

    def _look(self) -> bool:
        """True when there is something to be looked at a second time."""
        remaining = self._remaining()
        self._leaks = {w: leak for w, leak in self._leaks.items() if w in remaining}
        new = [w for w in remaining if w not in self._leaks]
        for watched in new:
            if watched in self._suspects:
                self._name(watched)
            else:
                self._cancel_tasks(watched)
        self._suspects = {w for w in new if w not in self._leaks}
        return bool(self._suspects)

    def _name(self, watched: Watched) -> None:
        holder = find_holder(watched, tasks=self._system.loop.tasks(), anchors=self._anchors())
        if holder is None:
            return
        leak = Leak(
            plugin=watched.name,
            generation=watched.number,
            rolled_back=not watched.published,
            holder=holder,
        )
        self._leaks[watched] = leak
        self._tell(leak)

    def _cancel_tasks(self, watched: Watched) -> None:
        """Tasks that outlived their generation: those that ignored that they were cancelled, and
        those that nobody knew of. Requests that were let go while running may go on."""
        table = next((t for t in map(table_of, watched.alive()) if t is not None), None)
        if table is None or watched.occupied:
            return
        for task in self._system.loop.tasks():
            if not task.done() and frames_of_task(task, table):
                self._system.loop.call_soon(task.cancel)

    def _anchors(self) -> dict[int, str]:
        found = {id(self._system): "the host"}
        for record in self._system.registry.view.plugins.values():
            generation = record.generation
            if generation is not None:
                name = f"plugin {generation.name} (g{generation.number})"
                found |= {id(generation): name, id(generation.plugin): name}
        return found
