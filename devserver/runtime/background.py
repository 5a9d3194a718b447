"""What an application goes on with when its answer is out: it belongs to its generation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from devserver.core.errors import CommitFailed, DatabaseUnavailable
from devserver.runtime.gate import CURRENT, Flight
from devserver.runtime.work_database import SCOPE, WorkScope


class Background:
    """Work after an answer, pinned as an open stream is: it delays no commit, and is cancelled
    when its generation is let go."""

    def __init__(self, task: asyncio.Task[Any], after: Flight) -> None:
        self._task = task
        self._scope = WorkScope()
        self._flight = Flight(f"background work of {after.label}", None, after.generation)
        self._flight.stream = self
        after.generation.streams[self._flight.id] = self._flight

    @classmethod
    def of_current(cls, task: asyncio.Task[Any] | None) -> Background | None:
        """What the current request's `task` does from now on; None outside of requests."""
        after, scope = CURRENT.get(), SCOPE.get()
        if after is None or scope is None or task is None:
            return None
        background = cls(task, after)
        CURRENT.set(background._flight)
        scope.continue_in(background._scope)  # a middleware has the work in a task of its own
        return background

    def over(self, *, failed: bool) -> None:
        """It has ended: what it wrote to the database is committed, or rolled back."""
        with suppress(DatabaseUnavailable, CommitFailed):  # nobody waits for it any more
            self._scope.end(failed=failed)
        self._flight.generation.streams.pop(self._flight.id, None)
        self._flight.stream = None

    def end(self) -> bool:
        """Asks it to end, which it can."""
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        return True

    def cut(self) -> None:
        """Asks once more: a coroutine may have caught the first time."""
        self.end()
