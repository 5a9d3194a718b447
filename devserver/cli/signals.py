"""Signals that ask the program to end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from devserver.cli.failures import ExitCode

_ASKING = ("SIGINT", "SIGTERM", "SIGHUP")


class StopSignals:
    """While entered, Ctrl-C, TERM and HUP call `on_signal(signal, count)` on the main thread,
    in place of what they would do; `count` is 1 for the first. `received` is the first one."""

    def __init__(self, on_signal: Callable[[int, int], None]) -> None:
        self._on_signal = on_signal
        self._before: dict[int, Any] = {}
        self._count = 0
        self.received: int | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Ctrl-C is an interruption; a server that is told to end, and ends, did well."""
        return ExitCode.INTERRUPTED if self.received == signal.SIGINT else ExitCode.OK

    def __enter__(self) -> StopSignals:
        for number in (getattr(signal, name) for name in _ASKING if hasattr(signal, name)):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self.received is None:
            self.received = number
        self._on_signal(number, self._count)
