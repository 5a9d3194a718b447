"""Lets threads wait until something has happened in the group."""

from __future__ import annotations

import threading


class Pulse:
    """Counts beats; a waiter names the count that it has seen, so none is missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def beat(self) -> None:
        """Something happened."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout: float) -> None:
        """Returns when there has been a beat since `seen`, or after `timeout` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, timeout)
