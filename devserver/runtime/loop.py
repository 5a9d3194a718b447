"""The plugin loop: one asyncio loop for all coroutine code of plugins."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from devserver.runtime.interrupt import interrupt, position

_log = logging.getLogger("devserver.loop")


class PluginLoop:
    """Runs coroutines on a thread of its own, which outlives every call."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="plugin-loop", daemon=True)
        self._stopping = False

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def stop(self) -> None:
        """Cancels what still runs and ends the thread (waits 2 seconds at most)."""
        if not self._thread.is_alive():
            return
        self._stopping = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2)

    def is_current(self) -> bool:
        """True on the loop's own thread."""
        return threading.current_thread() is self._thread

    def interrupt_if_blocked(self, patience: float) -> str | None:
        """Where a coroutine blocks the loop, which is then interrupted; None when the loop
        answers within `patience` seconds."""
        answered = threading.Event()
        self._loop.call_soon_threadsafe(answered.set)
        if answered.wait(patience):
            return None
        where = position(self._thread)
        interrupt(self._thread)
        return where

    def submit(
        self,
        function: Callable[..., Awaitable[Any]],
        *arguments: Any,
        context: contextvars.Context | None = None,
    ) -> Future[Any]:
        """Runs `function(*arguments)` as a task in `context` (default: a copy of the caller's).

        The future carries its value or exception, BaseExceptions too; cancelling it cancels the
        task.
        """
        result: Future[Any] = Future()
        context = context or contextvars.copy_context()
        self._loop.call_soon_threadsafe(self._begin, function, arguments, context, result)
        return result

    def _begin(
        self,
        function: Callable[..., Awaitable[Any]],
        arguments: tuple[Any, ...],
        context: contextvars.Context,
        result: Future[Any],
    ) -> None:
        if result.cancelled():
            return
        task = self._loop.create_task(_contained(function, arguments, result), context=context)
        result.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(task.cancel) if done.cancelled() else None
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._stopping:
            try:
                self._loop.run_forever()
            except BaseException:  # noqa: BLE001 - a plugin's own task may raise SystemExit
                _log.exception("a plugin's task tried to end the plugin loop; it goes on")
        self._finish()

    def _finish(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def _contained(
    function: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], result: Future[Any]
) -> Coroutine[Any, Any, None]:
    async def run() -> None:
        try:
            value = await function(*arguments)
        except asyncio.CancelledError:
            result.cancel()
        except BaseException as error:  # noqa: BLE001 - carried to whoever waits
            if not result.cancelled():
                result.set_exception(error)
        else:
            if not result.cancelled():
                result.set_result(value)

    return run()
