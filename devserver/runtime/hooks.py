"""Calls plugin code with a time limit, be it plain or async."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from devserver.core.errors import PluginHookFailed
from devserver.runtime.describe import describe
from devserver.runtime.interrupt import interrupt, position
from devserver.runtime.loop import PluginLoop

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

        Raises PluginHookFailed: `__cause__` is what the plugin raised, None for a hang.
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
        try:
            return result.result(timeout)
        except FutureTimeout as error:
            if result.done():
                raise _failed(plugin, hook, error) from error
        except BaseException as error:  # a plugin may raise anything
            raise _failed(plugin, hook, error) from error
        where = worker.interrupt()
        self._worker = None
        if where is None:
            raise _hung(plugin, hook, timeout)
        self.abandoned.append(f"thread {worker.thread.name!r} in {plugin}.{hook} ({where})")
        raise _hung(plugin, hook, timeout, f"its thread could not be ended and is at {where}")

    def _wait_async(self, future: Future[Any], plugin: str, hook: str, timeout: float) -> Any:
        try:
            return future.result(timeout)
        except FutureTimeout as error:
            if future.done() and not future.cancelled():
                raise _failed(plugin, hook, error) from error
            future.cancel()
            where = self._loop.interrupt_if_blocked(_GRACE)
            more = "" if where is None else f"it blocked the plugin loop at {where}"
            raise _hung(plugin, hook, timeout, more) from None
        except asyncio.CancelledError as error:
            raise _failed(plugin, hook, error) from error
        except BaseException as error:  # a plugin may raise anything
            raise _failed(plugin, hook, error) from error


class _Worker:
    """A daemon thread that runs one call after the other."""

    def __init__(self, name: str) -> None:
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._interrupted = False
        self.thread.start()

    def _run(self) -> None:
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

    def interrupt(self) -> str | None:
        """Raises HookInterrupted in the thread. None when it ended, else where it stands."""
        self._interrupted = True
        interrupt(self.thread)
        self.thread.join(_GRACE)
        if not self.thread.is_alive():
            return None
        self.inbox.put(None)
        return position(self.thread)


async def _await(awaitable: Any) -> Any:
    return await awaitable


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
