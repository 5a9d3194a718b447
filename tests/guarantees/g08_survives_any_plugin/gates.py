"""Calls that block in C until the test lets them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest


def give_up_soon(patch: pytest.MonkeyPatch) -> None:
    """Threads that nothing ends anyway get no time to."""
    for module in ("loop", "hooks"):
        patch.setattr(f"devserver.runtime.{module}._GRACE", 0.02)


class Gates:
    """Each call of what `new` gives waits for a lock: like any call that blocks in C, it is not
    interrupted by an exception that is raised in its thread."""

    def __init__(self) -> None:
        self._locks: list[threading.Lock] = []
        self._never = threading.Lock()
        self._never.acquire()
        self.entered = 0
        self.is_open = False

    def new(self) -> Callable[[], bool]:
        lock = threading.Lock()
        lock.acquire()
        self._locks.append(lock)
        return lambda: lock.acquire(timeout=30)

    def block(self) -> bool:
        """Blocks until `open`."""
        wait = self.new()
        self.entered += 1
        return wait()

    def nap(self) -> None:
        """In C nearly all of the time, for as long as somebody calls it."""
        self._never.acquire(timeout=0.01)

    def open(self) -> None:
        """Lets all go on."""
        self.is_open = True
        while self._locks:
            self._locks.pop().release()
