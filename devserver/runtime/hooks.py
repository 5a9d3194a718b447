"""Calls plugin code with a time limit, be it plain or async."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from devserver.core.errors import LoopBlocked, PluginHookFailed
from devserver.runtime.describe import describe
from devserver.runtime.interrupt import (
    HookInterrupted,
    hang_of,
    interrupt,
    is_debugged,
    place_of,
    stack_of_thread,
)
from devserver.runtime.loop import Call, PluginLoop

_GRACE = 0.5  # seconds that an interrupted hook gets to unwind


class HookRunner:
    """Runs plain functions on a daemon thread, so that a stuck one cannot hold the caller, and
    coroutines on the plugin loop.

    One caller at a time; the reloader, the disposer and the health prober have one each.
    """

    def __init__(self, loop: PluginLoop, name: str = "hook") -> None:
        self._loop = loop
        self._name = name
        self._worker: _Worker | None = None
        self.abandoned: list[str] = []
        self._left: list[Callable[[], bool]] = []

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        plugin: str,
        hook: str,
        timeout: float,
        context: contextvars.Context | None = None,
    ) -> Any:
        """What the hook returns; an awaitable is awaited on the plugin loop.

        Raises PluginHookFailed: `__cause__` is what the plugin raised; for a hang its traceback
        is where the hook was. The time at a debugger's prompt does not count.
        """
        context = context or contextvars.copy_context()
        if inspect.iscoroutinefunction(function):
            future = self._loop.submit(function, *arguments, context=context)
            return self._wait_async(future, plugin, hook, timeout)
        answer = self._call_plain(function, arguments, plugin, hook, timeout, context)
        if inspect.isawaitable(answer):
            future = self._loop.submit(_await, answer, context=context)
            return self._wait_async(future, plugin, hook, timeout)
        return answer

    def is_stuck(self) -> bool:
        """True while a thread runs that a call has left behind."""
        return any(is_alive() for is_alive in self._left)

    def close(self) -> None:
        """Lets the worker thread end."""
        if self._worker is not None:
            self._worker.inbox.put(None)
            self._worker = None

    def _call_plain(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        plugin: str,
        hook: str,
        timeout: float,
        context: contextvars.Context,
    ) -> Any:
        if self._worker is None:
            self._worker = _Worker(self._name)
        worker = self._worker
        result: Future[Any] = Future()
        worker.inbox.put((context, function, arguments, result))
        while True:
            try:
                return result.result(timeout)
            except FutureTimeout as error:
                if result.done():
                    raise _failed(plugin, hook, error) from error
            except BaseException as error:  # a plugin may raise anything
                raise _failed(plugin, hook, error) from error
            trace = stack_of_thread(worker.thread)
            if not is_debugged(trace):
                break
        self._worker = None
        if worker.interrupt():
            raise _hung(plugin, hook, timeout) from hang_of(trace)
        where = place_of(stack_of_thread(worker.thread))
        self.abandoned.append(f"thread {worker.thread.name!r} in {plugin}.{hook} ({where})")
        self._left.append(worker.thread.is_alive)
        more = f"its thread could not be ended and is at {where}"
        raise _hung(plugin, hook, timeout, more) from hang_of(trace)

    def _wait_async(self, call: Call, plugin: str, hook: str, timeout: float) -> Any:
        while True:
            try:
                return call.result(timeout)
            except FutureTimeout as error:
                if call.done() and not call.cancelled():
                    raise _failed(plugin, hook, error) from error
            except LoopBlocked as error:
                raise self._blocked(call, plugin, hook, timeout) from error.__cause__
            except asyncio.CancelledError as error:
                raise _failed(plugin, hook, error) from error
            except BaseException as error:  # a plugin may raise anything
                raise _failed(plugin, hook, error) from error
            trace = self._loop.stack(call)
            if not is_debugged(trace):
                break
        stall = self._loop.free(_GRACE)
        call.cancel()
        if isinstance(own := _error_of(call), LoopBlocked):
            raise self._blocked(call, plugin, hook, timeout) from own.__cause__
        raise _hung(plugin, hook, timeout, "" if stall is None else stall.message) from hang_of(
            trace
        )

    def _blocked(self, call: Call, plugin: str, hook: str, timeout: float) -> PluginHookFailed:
        """The hook itself has blocked the loop."""
        stall = self._loop.stall_of(call)
        if stall is not None and stall.abandoned:
            self.abandoned.append(f"thread {stall.thread!r} in {plugin}.{hook} ({stall.where})")
            self._left.append(lambda: self._loop.has_left(stall.thread))
        return _hung(plugin, hook, timeout, "" if stall is None else stall.message)


class _Worker:
    """A daemon thread that runs one call after the other."""

    def __init__(self, name: str) -> None:
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._interrupted = False
        self.thread.start()

    def _run(self) -> None:
        with contextlib.suppress(HookInterrupted):  # it may come when the hook has just ended
            self._work()

    def _work(self) -> None:
        while (job := self.inbox.get()) is not None:
            context, function, arguments, result = job
            try:
                value = context.run(function, *arguments)
            except BaseException as error:  # noqa: BLE001 - carried to whoever waits
                result.set_exception(error)
            else:
                result.set_result(value)
            del job, context, function, arguments, result
            value = None
            if self._interrupted:
                return

    def interrupt(self) -> bool:
        """Raises HookInterrupted in the thread; True when that has ended it."""
        self._interrupted = True
        self.inbox.put(None)
        interrupt(self.thread)
        self.thread.join(_GRACE)
        return not self.thread.is_alive()


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _error_of(call: Call) -> BaseException | None:
    return call.exception() if call.done() and not call.cancelled() else None


def _failed(plugin: str, hook: str, error: BaseException) -> PluginHookFailed:
    return PluginHookFailed(
        f"{hook!r} of {plugin!r} raised {describe(error)}",
        plugin=plugin,
        hook=hook,
        code="RUN001",
    )


def _hung(plugin: str, hook: str, timeout: float, more: str = "") -> PluginHookFailed:
    return PluginHookFailed(
        f"{hook!r} of {plugin!r} did not finish within {timeout:g} s{more and '; ' + more}",
        plugin=plugin,
        hook=hook,
        code="RUN002",
        hint="raise reload.timeout in config/hot-loading.yaml, or look for what it waits for",
    )
