"""New generations that must prove themselves before the old ones are let go."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from devserver.core.outcome import Outcome
from devserver.core.values import Changes
from devserver.reload.catalog import Reading
from devserver.reload.progress import Ended
from devserver.reload.queue import ProbationFailed, ReloadQueue
from devserver.reload.verifying import find_failure
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem

_LOOKS = 10
"""How often health is asked for during a probation, at least."""
_LONGEST_PAUSE = 0.5  # seconds between two of them


@dataclass(eq=False, kw_only=True)
class Period:
    """One probation: `live` serve, `gone` stand by. `before` are the records as they were,
    `overrides` what puts those of configurations back to what they were, `attempts` how often
    this content has been tried."""

    outcome: Outcome
    live: tuple[Generation, ...]
    gone: tuple[Generation, ...]
    before: Mapping[str, PluginRecord]
    readings: Mapping[str, Reading]
    overrides: tuple[tuple[str, Changes], ...]
    attempts: int
    seconds: float
    over: threading.Event = field(default_factory=threading.Event)

    def touches(self, keys: Iterable[str]) -> bool:
        """True when one of `keys` is part of it."""
        own = {g.key for g in (*self.live, *self.gone)}
        return not own.isdisjoint(keys)


class Probation:
    """Watches over new generations, each batch on a thread of its own. `let_go(period)` is
    called for one that ends well or is overtaken; a failure goes into the queue."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        queue: ReloadQueue,
        let_go: Callable[[Period], None],
        passed: Callable[[Period], None],
        timeout: Callable[[], float],
    ) -> None:
        self._system = system
        self._queue = queue
        self._let_go = let_go
        self._passed = passed
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._periods: list[Period] = []
        self._threads: list[threading.Thread] = []

    def begin(self, period: Period) -> None:
        """The old generations stand by until the new ones have been healthy for long enough."""
        name = f"probation-{next(self._numbers)}"
        thread = threading.Thread(target=self._watch, args=(period, name), name=name, daemon=True)
        with self._lock:
            self._periods.append(period)
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
        thread.start()

    def end(self, keys: Iterable[str]) -> None:
        """Something newer is about these plugins: what stands by for them is let go."""
        wanted = set(keys)
        for period in [p for p in self._periods if p.touches(wanted)]:
            if self.take(period):
                self._let_go(period)

    def take(self, period: Period) -> bool:
        """Ends a period for whoever asks first; False when it is over already."""
        with self._lock:
            if period not in self._periods:
                return False
            self._periods.remove(period)
        period.over.set()
        return True

    def stop(self, timeout: float) -> None:
        """Lets all go and waits up to `timeout` seconds for the threads."""
        for period in list(self._periods):
            if self.take(period):
                self._let_go(period)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(self, period: Period, name: str) -> None:
        hooks = HookRunner(self._system.loop, name=f"{name}-hook")
        deadline = time.monotonic() + period.seconds
        pause = min(period.seconds / _LOOKS, _LONGEST_PAUSE)
        try:
            while not period.over.wait(min(pause, max(0.0, deadline - time.monotonic()))):
                failure = find_failure(
                    period.live, system=self._system, hooks=hooks, time_left=self._timeout
                )
                if failure is not None:
                    self._queue.put(ProbationFailed(period=period, failure=failure))
                    return
                if time.monotonic() >= deadline:
                    if self.take(period):
                        self._let_go(period)
                        self._passed(period)
                    return
        finally:
            hooks.close()


def stands_by(ended: Ended, milliseconds: int) -> bool:
    """Whether the old generations of what was committed stand by while the new ones are on
    probation, for `milliseconds`. One that was stopped for its successor cannot."""
    if not (milliseconds and ended.committed and ended.live and ended.gone):
        return False
    if any(g.stopped for g in ended.gone):
        ended.notes.append("no probation: the old version was stopped for its successor")
        return False
    ended.notes.append(f"on probation for {milliseconds} ms: the old version stands by")
    return True
