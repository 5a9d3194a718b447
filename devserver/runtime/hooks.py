"""Calls plugin code with a time limit, be it plain or async."""

from __future__ import annotations

import contextlib
import contextvars
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from devserver.core.errors import DevServerError, LoopBlocked, PluginHookFailed
from devserver.runtime.coroutines import (
    Awaitable,
    CoroutineCancelled,
    answer_of,
    awaited,
    is_coroutine_function,
)
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
from devserver.runtime.tracebacks import format_error

_GRACE = 0.5  # seconds that an interrupted hook gets to unwind
_PATIENCE = 2.0
"""Seconds that a hook gets in any case before it may be given up for something newer."""
_LOOK = 0.1  # seconds between two looks whether there is something newer


class HookRunner:
    """Runs plain functions on a daemon thread, so that a stuck one cannot hold the caller, and
    coroutines on the plugin loop.

    One caller at a time; the reloader, the disposer and the health prober have one each.
    `gives_up` is asked, while a hook takes long, whether something newer is to be done instead.
    """

    def __init__(
        self,
        loop: PluginLoop,
        name: str = "hook",
        *,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._loop = loop
        self._name = name
        self._gives_up = gives_up
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
        slack: float = 0.0,
        context: contextvars.Context | None = None,
    ) -> Any:
        """What the hook returns; an awaitable is awaited on the plugin loop. It gets `slack`
        seconds more than the `timeout` that is told.

        Raises PluginHookFailed: `__cause__` is what the plugin raised; for a hang its traceback
        is where the hook was. The time at a debugger's prompt does not count.
        """
        context = context or contextvars.copy_context()
        patience = _Patience(timeout, self._gives_up, slack=slack)
        if not is_coroutine_function(function):
            given = (function, *arguments)
            answer = self._call_plain(answer_of, given, plugin, hook, patience, context)
            if not isinstance(answer, Awaitable):
                return answer
            function, arguments = answer.get, ()
            patience = patience.again()
        future = self._loop.submit(awaited, function, arguments, context=context)
        return self._wait_async(future, plugin, hook, patience)

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
        patience: _Patience,
        context: contextvars.Context,
    ) -> Any:
        if self._worker is None:
            self._worker = _Worker(self._name)
        worker = self._worker
        result: Future[Any] = Future()
        worker.inbox.put((context, function, arguments, result))
        while True:
            try:
                return patience.wait(result)
            except FutureTimeout as error:
                if result.done():
                    raise self._failed(plugin, hook, error, patience) from error
            except BaseException as error:  # a plugin may raise anything
                raise self._failed(plugin, hook, error, patience) from error
            trace = stack_of_thread(worker.thread)
            if not is_debugged(trace):
                break
        self._worker = None
        if worker.interrupt():
            raise _hung(plugin, hook, patience) from hang_of(trace)
        where = place_of(stack_of_thread(worker.thread))
        self.abandoned.append(f"thread {worker.thread.name!r} in {plugin}.{hook} ({where})")
        self._left.append(worker.thread.is_alive)
        more = f"its thread could not be ended and is at {where}"
        raise _hung(plugin, hook, patience, more) from hang_of(trace)

    def _wait_async(self, call: Call, plugin: str, hook: str, patience: _Patience) -> Any:
        while True:
            try:
                return patience.wait(call)
            except FutureTimeout as error:
                if call.done() and not call.cancelled():
                    raise self._failed(plugin, hook, error, patience) from error
            except LoopBlocked as error:
                raise self._blocked(call, plugin, hook, patience) from error.__cause__
            except CoroutineCancelled as error:
                cancelled = error.cancelled
                raise self._failed(plugin, hook, cancelled, patience) from cancelled
            except BaseException as error:  # a plugin may raise anything
                raise self._failed(plugin, hook, error, patience) from error
            trace = self._loop.stack(call)
            if not is_debugged(trace):
                break
        stall = self._loop.free(_GRACE)
        call.cancel()
        if isinstance(own := _error_of(call), LoopBlocked):
            raise self._blocked(call, plugin, hook, patience) from own.__cause__
        raise _hung(plugin, hook, patience, "" if stall is None else stall.message) from hang_of(
            trace
        )

    def _failed(
        self, plugin: str, hook: str, error: BaseException, patience: _Patience
    ) -> PluginHookFailed:
        """The hook has raised `error`. What that says of itself is said by plugin code: whoever
        shows it later knows that it ends.

        Raises PluginHookFailed where it does not.
        """
        context = contextvars.Context()
        text = self._call_plain(_told, (error,), plugin, hook, patience.again(), context)
        told = f"{hook!r} of {plugin!r} raised {text}"
        hint = error.hint if isinstance(error, DevServerError) else None
        return PluginHookFailed(told, plugin=plugin, hook=hook, code="RUN001", hint=hint)

    def _blocked(self, call: Call, plugin: str, hook: str, patience: _Patience) -> PluginHookFailed:
        """The hook itself has blocked the loop."""
        stall = self._loop.stall_of(call)
        if stall is not None and stall.abandoned:
            self.abandoned.append(f"thread {stall.thread!r} in {plugin}.{hook} ({stall.where})")
            self._left.append(lambda: self._loop.has_left(stall.thread))
        return _hung(plugin, hook, patience, "" if stall is None else stall.message)


class _Patience:
    """Waits for a call, `timeout` seconds at most (infinite: for ever), or until something newer
    is to be done."""

    def __init__(self, timeout: float, gives_up: Callable[[], bool], *, slack: float = 0.0) -> None:
        self._told = timeout
        self._slack = slack
        self._timeout = timeout + slack
        self._gives_up = gives_up
        self._waited = 0.0
        self._gave_up = False

    def wait(self, call: Future[Any] | Call) -> Any:
        """What the call gives or raises. Raises FutureTimeout when it has not ended."""
        begun = time.monotonic()
        step = min(self._timeout, _PATIENCE)
        while True:
            try:
                return call.result(step)
            except FutureTimeout:
                if call.done():
                    break
            self._waited = time.monotonic() - begun
            self._gave_up = self._gives_up()
            if self._gave_up or self._waited >= self._timeout:
                raise FutureTimeout
            step = min(self._timeout - self._waited, _LOOK)
        return call.result(0)  # what it gave in the last moment, or a TimeoutError of its own

    def again(self) -> _Patience:
        """As much of it as there was at the beginning."""
        return _Patience(self._told, self._gives_up, slack=self._slack)

    def told(self) -> str:
        if self._gave_up:
            return f"was given up after {self._waited:.1f} s, for something newer"
        return (
            "was ended" if math.isinf(self._timeout) else f"did not finish within {self._told:g} s"
        )


class _Worker:
    """A daemon thread that runs one call after the other."""

    def __init__(self, name: str) -> None:
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._interrupted = False
        self._runs = False
        self._turn = threading.Lock()
        """Who holds it knows that `_runs` stays as it is."""
        self.thread.start()

    def _run(self) -> None:
        with contextlib.suppress(HookInterrupted):  # it may come when the hook has just ended
            self._work()

    def _work(self) -> None:
        while (job := self.inbox.get()) is not None:
            context, function, arguments, result = job
            self._set_running(True)
            try:
                value = context.run(function, *arguments)
            except BaseException as error:  # noqa: BLE001 - carried to whoever waits
                self._set_running(False)
                result.set_exception(error)
            else:
                self._set_running(False)
                result.set_result(value)
            del job, context, function, arguments, result
            value = None
            if self._interrupted:
                return

    def _set_running(self, runs: bool) -> None:
        with self._turn:
            self._runs = runs

    def interrupt(self) -> bool:
        """Raises HookInterrupted in the thread while it runs a hook; True when that has ended it.
        Twice: the first may come in a finalizer, where Python ignores it."""
        self._interrupted = True
        self.inbox.put(None)
        for _ in range(2):
            if self._turn.acquire(timeout=_GRACE / 2):
                if self._runs:
                    interrupt(self.thread)
                self._turn.release()
            self.thread.join(_GRACE / 2)
        return not self.thread.is_alive()


def _told(error: BaseException) -> str:
    """An error in words, once all of it that is shown later has been asked for."""
    try:
        words = describe(error)
        format_error(error)
    except HookInterrupted:
        raise
    except BaseException:  # noqa: BLE001 - a text may raise anything, SystemExit too
        return type(error).__name__
    return words


def _error_of(call: Call) -> BaseException | None:
    return call.exception() if call.done() and not call.cancelled() else None


def _hung(plugin: str, hook: str, patience: _Patience, more: str = "") -> PluginHookFailed:
    return PluginHookFailed(
        f"{hook!r} of {plugin!r} {patience.told()}{more and '; ' + more}",
        plugin=plugin,
        hook=hook,
        code="RUN002",
        hint="raise reload.timeout in config/hot-loading.yaml, or look for what it waits for",
    )
