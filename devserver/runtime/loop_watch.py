"""Sees a coroutine that blocks the plugin loop, also where nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from devserver.runtime.interrupt import is_debugged
from devserver.runtime.loop import PluginLoop
from devserver.runtime.movable_loop import Running
from devserver.runtime.stall import Stall

_log = logging.getLogger("devserver.loop")

_TICK = 0.1  # seconds between two looks
_EARLY = 1.0  # seconds after which a callback that blocks is told of


class LoopWatch:
    """Tells of a callback that occupies the loop for a second, and moves the loop away from one
    that does so for `limit()` seconds. `tell` is called on the watch's own thread.

    Time in which this process itself did not run does not count, nor does a debugger's prompt.
    """

    def __init__(
        self, loop: PluginLoop, *, limit: Callable[[], float], tell: Callable[[Stall], object]
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._tell = tell
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plugin-loop-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        seen: Running | None = None
        held, told, last = 0.0, False, time.monotonic()
        while not self._stopped.wait(_TICK):
            now = time.monotonic()
            passed, last = min(now - last, 2 * _TICK), now
            running = self._loop.running()
            if running is None or running != seen:
                seen, held, told = running, 0.0, False
                continue
            held += passed
            if held >= self._limit():
                held = self._move(running, held)
            elif held >= _EARLY and not told:
                told = self._warn(running, held)

    def _warn(self, running: Running, held: float) -> bool:
        trace = self._loop.stack()
        if self._loop.running() != running or is_debugged(trace):
            return False
        self._tell_of(Stall.at(trace, held))
        return True

    def _move(self, running: Running, held: float) -> float:
        """Gives the seconds that the callback counts as having blocked from now on."""
        if is_debugged(self._loop.stack()):
            return 0.0
        stall = self._loop.move(running)
        if stall is not None:
            self._tell_of(stall)
        return held

    def _tell_of(self, stall: Stall) -> None:
        self._tell(stall)
        _log.warning("the stack of what blocks the plugin loop:\n%s", stall.stack)
