"""Background tasks of plugins, which stand still while a successor takes their state over."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from typing import Any, cast

from devserver.runtime.loop import PluginLoop
from devserver.runtime.whereabouts import current_task
from devserver.runtime.work_database import work_scope

_LONGEST = 1.0
"""Seconds that tasks stand still at most: a hook of the successor may wait for what one of them
holds, a lock say."""


class Pause:
    """While it lasts no task of a generation takes a step."""

    def __init__(self, loop: PluginLoop) -> None:
        self._loop = loop
        self._until: float | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def begin(self) -> None:
        """From now on no step begins; one may be under way."""
        self._until = time.monotonic() + _LONGEST

    def end(self) -> None:
        """All go on where they were. May be called twice."""
        if self._until is not None:
            self._until = None
            self._loop.call_soon(self._wake)

    def waiter(self) -> asyncio.Future[None] | None:
        """What a task has to wait for before its next step, if for anything. On the loop only."""
        until = self._until
        left = 0.0 if until is None else until - time.monotonic()
        if left <= 0:
            return None
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(left, _settle, waiter)
        self._waiters.add(waiter)
        waiter.add_done_callback(lambda _done: timer.cancel())
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    def _wake(self) -> None:
        for waiter in list(self._waiters):
            _settle(waiter)


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class _Paced:
    """Awaits a coroutine step by step; what comes in during a pause, a cancellation too, is
    handed on when it is over."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], pause: Pause) -> None:
        self.cr_await = coroutine
        """Named as in a coroutine, so that who looks where a task waits finds its frames."""
        self.cr_frame = None
        self._pause = pause
        self._parked = False
        self._value: Any = None
        self._error: tuple[Any, ...] = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return cast(Generator[Any, Any, Any], self)  # all that an await uses of one

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        if not self._parked:
            self._value = value
        return self._step()

    def throw(self, *error: Any) -> Any:
        self._error = error
        return self._step()

    def close(self) -> None:
        self.cr_await.close()

    def _step(self) -> Any:
        waiter = self._pause.waiter()
        self._parked = waiter is not None
        if waiter is not None:
            return next(waiter.__await__())
        value, error = self._value, self._error
        self._value, self._error = None, ()
        return self.cr_await.throw(*error) if error else self.cr_await.send(value)


class TaskHandle:
    """A background task of a generation; it runs from commit to disposal. `task` is what runs
    it once it has begun."""

    def __init__(self, function: Callable[..., Any], name: str, pause: Pause) -> None:
        self.function = function
        self.name = name
        self.future: Future[Any] | None = None
        self.cancelled = False
        self.task: weakref.ref[asyncio.Task[Any]] | None = None
        self._pause = pause
        self._begun = False
        self._ended = threading.Event()

    def start(self, loop: PluginLoop, report: Callable[[BaseException], Any]) -> None:
        """Begins to run on the plugin loop, outside of any request."""
        if self.cancelled:
            return
        self.future = loop.submit(self._run, context=contextvars.Context())
        self.future.add_done_callback(lambda done: self._finished(done, report))

    def cancel(self) -> None:
        """Asks the task to end."""
        self.cancelled = True
        if self.future is not None:
            self.future.cancel()

    def done(self) -> bool:
        """True when it has ended or was cancelled."""
        return self.cancelled or (self.future is not None and self.future.done())

    def wait(self, timeout: float) -> bool:
        """Waits until nothing of it runs, once it has been cancelled and the loop has heard of
        that; False when `timeout` seconds did not suffice."""
        return not self._begun or self._ended.wait(timeout)

    async def _run(self) -> Any:
        self._begun = True
        self.task = current_task()
        try:
            return await _Paced(self._own(), self._pause)
        finally:
            self._ended.set()

    async def _own(self) -> Any:
        with work_scope():
            answer = self.function() if callable(self.function) else self.function
            return await answer if inspect.isawaitable(answer) else answer

    @staticmethod
    def _finished(done: Future[Any], report: Callable[[BaseException], Any]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            report(error)
