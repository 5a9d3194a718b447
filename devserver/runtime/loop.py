"""The plugin loop: one asyncio loop for all coroutine code of plugins."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from dataclasses import replace
from types import TracebackType
from typing import Any

from devserver.core.errors import LoopBlocked
from devserver.runtime.interrupt import (
    hang_of,
    interrupt,
    is_debugged,
    stack_of_task,
    stack_of_thread,
)
from devserver.runtime.movable_loop import MovableLoop, Running
from devserver.runtime.stall import Stall

_log = logging.getLogger("devserver.loop")

_GRACE = 0.5  # seconds that an interrupted coroutine gets to unwind
_FAREWELL = 2.0  # seconds that coroutines get to end at a stop


class Call(Future[Any]):
    """What `submit` gives: the value or exception of a coroutine."""

    task: asyncio.Task[None] | None = None
    """What runs it, as soon as it has begun and until it has ended."""
    stall: Stall | None = None
    """How it blocked the loop, if it did."""


class PluginLoop:
    """Runs coroutines on a thread of its own, which outlives every call.

    A coroutine that blocks that thread loses it: see `move`.
    """

    def __init__(self) -> None:
        self._loop: MovableLoop | None = None
        self._numbers = itertools.count(1)
        self._calls: dict[asyncio.Task[Any], Call] = {}
        self._lock = threading.Lock()
        self._left: dict[threading.Thread, str] = {}
        self._stopping = False

    def start(self) -> None:
        self._loop = MovableLoop()
        self._thread = self._new_thread()

    def stop(self) -> None:
        """Cancels what still runs and ends the thread (waits a few seconds at most)."""
        if self._loop is None or not self._thread.is_alive():
            return
        self._stopping = True
        self._loop.call_soon_threadsafe(_nothing)
        self._thread.join(_FAREWELL)
        running = self._loop.running()
        if self._thread.is_alive() and running is not None and self.move(running) is not None:
            self._thread.join(_FAREWELL)

    def is_current(self) -> bool:
        """True for code that runs on the loop, also where that has left its thread behind."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def submit(
        self,
        function: Callable[..., Awaitable[Any]],
        *arguments: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """Runs `function(*arguments)` as a task in `context` (default: a copy of the caller's).

        The call carries its value or exception, BaseExceptions too, and LoopBlocked when it
        blocked the loop; cancelling it cancels the task.
        """
        call = Call()
        context = context or contextvars.copy_context()
        self._own.call_soon_threadsafe(self._begin, function, arguments, context, call)
        return call

    # -- coroutines that block ------------------------------------------------------------------

    def running(self) -> Running | None:
        """The callback that occupies the loop just now."""
        return None if self._loop is None else self._loop.running()

    def stack(self, call: Call | None = None) -> TracebackType | None:
        """Where the loop's thread is, or where `call` waits or runs; None when nowhere."""
        task = None if call is None else call.task
        if call is None or (task is not None and task is asyncio.current_task(self._own)):
            return stack_of_thread(self._thread)
        return None if task is None else stack_of_task(task)

    def free(self, patience: float) -> Stall | None:
        """Moves the loop when one callback has been occupying it for `patience` seconds; None
        when it is free or goes on in that time."""
        running = self.running()
        while running is not None:
            left = running.since + patience - time.monotonic()
            if left <= 0:
                return None if is_debugged(self.stack()) else self.move(running)
            time.sleep(min(left, 0.01))
            if self.running() != running:
                return None
        return None

    def move(self, running: Running) -> Stall | None:
        """Goes on in a new thread and leaves the one that `running` blocks behind, interrupted.

        All tasks, timers and connections go on as they were; who waits for the call that blocks
        gets LoopBlocked. None when it has come to its end meanwhile.
        """
        with self._lock:
            loop, thread = self._own, self._thread
            trace, seconds = stack_of_thread(thread), time.monotonic() - running.since
            task = asyncio.current_task(loop)
            if not loop.take(running):
                return None
            self._thread = self._new_thread()
            stall = Stall.at(trace, seconds, thread=thread.name)
            call = None if task is None else self._fail(task, stall, trace)
            interrupt(thread)
            thread.join(_GRACE)
            if thread.is_alive():
                stall = replace(stall, abandoned=True)
                self._left[thread] = f"thread {thread.name!r} of {stall.plugin} ({stall.where})"
            if call is not None:
                call.stall = stall
        return stall

    def stall_of(self, call: Call) -> Stall | None:
        """How `call` blocked the loop, None when it did not; waits for a move that is under
        way."""
        with self._lock:
            return call.stall

    @property
    def abandoned(self) -> list[str]:
        """The threads that were left behind and still run, each with its place."""
        return [text for thread, text in self._left.items() if thread.is_alive()]

    def tasks(self) -> list[asyncio.Task[Any]]:
        """All tasks on the loop, whoever made them."""
        return [] if self._loop is None else list(asyncio.all_tasks(self._loop))

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Calls a plain function on the loop; one that has ended hears nothing of it."""
        with contextlib.suppress(RuntimeError):
            self._own.call_soon_threadsafe(function, *arguments)

    def has_left(self, name: str | None) -> bool:
        """True while the thread of that name runs although it has been left behind."""
        return any(thread.name == name and thread.is_alive() for thread in self._left)

    def _fail(
        self, task: asyncio.Task[Any], stall: Stall, trace: TracebackType | None
    ) -> Call | None:
        """Lets who waits for the task go; gives the call that it ran."""
        call = self._calls.pop(task, None)
        if call is not None:
            error = LoopBlocked(stall.message, hint=stall.hint)
            error.__cause__ = hang_of(trace)
            _settle(call, error=error)
        # Should it ever go on, it has been cancelled.
        self._own.call_soon_threadsafe(task.cancel)
        return call

    # -- the thread ------------------------------------------------------------------------------

    @property
    def _own(self) -> MovableLoop:
        if self._loop is None:
            raise RuntimeError("the plugin loop has not been started")
        return self._loop

    def _new_thread(self) -> threading.Thread:
        number = next(self._numbers)
        name = "plugin-loop" if number == 1 else f"plugin-loop-{number}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            if self._own.drive(lambda: self._stopping):
                self._finish()
        except BaseException:  # noqa: BLE001 - an interrupted thread ends, wherever it was
            if threading.current_thread() is self._thread:
                _log.exception("the plugin loop has ended")

    def _finish(self) -> None:
        loop = self._own
        # What was submitted but has not begun has its end too: nobody waits for ever.
        loop.run_until_complete(asyncio.sleep(0))
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        for call in list(self._calls.values()):
            call.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _begin(
        self,
        function: Callable[..., Awaitable[Any]],
        arguments: tuple[Any, ...],
        context: contextvars.Context,
        call: Call,
    ) -> None:
        if call.cancelled():
            return
        loop = self._own
        task = loop.create_task(_contained(function, arguments, call), context=context)
        call.task = task
        self._calls[task] = call
        task.add_done_callback(self._ended)
        call.add_done_callback(
            lambda done: loop.call_soon_threadsafe(task.cancel) if done.cancelled() else None
        )

    def _ended(self, task: asyncio.Task[Any]) -> None:
        call = self._calls.pop(task, None)
        if call is not None:
            # Whoever keeps the call does not keep what ran.
            call.task = None


def _contained(
    function: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], call: Call
) -> Coroutine[Any, Any, None]:
    async def run() -> None:
        try:
            value = await function(*arguments)
        except asyncio.CancelledError:
            call.cancel()
        except BaseException as error:  # noqa: BLE001 - carried to whoever waits
            _settle(call, error=error)
        else:
            _settle(call, value)

    return run()


def _settle(call: Call, value: Any = None, *, error: BaseException | None = None) -> None:
    """One that is cancelled, or was given up because it blocked the loop, stays as it is."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            call.set_result(value)
        else:
            call.set_exception(error)


def _nothing() -> None:
    """Wakes the loop."""
