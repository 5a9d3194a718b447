"""Runs the dev server until a signal ends it."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Protocol

from devserver.cli.failures import ExitCode
from devserver.cli.signals import StopSignals
from devserver.cli.terminal import Terminal

GRACE = 5.0
"""Seconds that work in flight gets after the first Ctrl-C."""
_ROUND = 0.2
"""Seconds after which a waiting main thread looks for signals."""
_LAST = 1.0
"""Seconds that an immediate stop may take before the process ends without it."""


class Stoppable(Protocol):
    """What is run: `wait` returns when it has stopped."""

    def start(self) -> None: ...

    def wait(self) -> None: ...

    def stop(self, grace: float = ...) -> None: ...

    def stop_now(self) -> None: ...


class Serving:
    """One run of a server. The first signal stops it with grace, the second at once."""

    def __init__(
        self, server: Stoppable, terminal: Terminal, *, end: Callable[[int], object] = os._exit
    ) -> None:
        self._server = server
        self._terminal = terminal
        self._end = end
        self._started = False
        self._signals: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._ended = threading.Event()

    def run(self, on_ready: Callable[[], None]) -> ExitCode:
        """Starts, calls `on_ready`, and comes back when the server has stopped.

        Raises what `start` raises.
        """
        threading.Thread(target=self._obey, name="signals", daemon=True).start()
        try:
            with StopSignals(self._on_signal) as signals:
                try:
                    self._server.start()
                    self._started = True
                except KeyboardInterrupt:
                    return signals.exit_code
                on_ready()
                threading.Thread(target=self._tell_end, name="server-end", daemon=True).start()
                # A signal that comes just before the wait does not end it; the next round sees it.
                while not self._ended.wait(_ROUND):
                    pass
                self._terminal.say("stopped")
                return signals.exit_code
        finally:
            self._signals.put(None)

    def _on_signal(self, number: int, count: int) -> None:
        if count == 1 and not self._started:
            raise KeyboardInterrupt
        # Only a queue that is safe to use here: a signal arrives in the middle of anything.
        self._signals.put(number)

    def _obey(self) -> None:
        asked = False
        while (number := self._signals.get()) is not None:
            if asked or not self._started:
                self._end_now(ExitCode.INTERRUPTED if number == signal.SIGINT else 128 + number)
                return
            asked = True
            threading.Thread(target=self._stop, name="stopper", daemon=True).start()

    def _stop(self) -> None:
        self._terminal.say("stopping; Ctrl-C again ends at once")
        try:
            self._server.stop(GRACE)
        finally:
            self._ended.set()

    def _tell_end(self) -> None:
        self._server.wait()
        self._ended.set()

    def _end_now(self, code: int) -> None:
        last = threading.Thread(target=self._server.stop_now, name="stop-now", daemon=True)
        last.start()
        last.join(_LAST)
        self._terminal.close(_LAST / 2)
        self._end(int(code))
