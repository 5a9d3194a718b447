"""Pieces of work that are calls of a plugin's function: commands, event listeners, questions for
its health."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from devserver.core.errors import CommitFailed, DatabaseUnavailable
from devserver.runtime.gate import CURRENT, as_current_work
from devserver.runtime.hooks import HookRunner
from devserver.runtime.loop import PluginLoop
from devserver.runtime.work_database import SCOPE, WorkScope


class LimitedWork:
    """Calls plain and coroutine functions as the current work, each in one transaction and with
    a time limit; one caller at a time. `gives_up` is asked, while a call takes long, whether
    nobody waits for it any more.
    """

    def __init__(
        self, loop: PluginLoop, name: str, *, gives_up: Callable[[], bool] = lambda: False
    ) -> None:
        self._hooks = HookRunner(loop, name=name, gives_up=gives_up)

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        plugin: str,
        label: str,
        timeout: float,
        slack: float = 0.0,
    ) -> Any:
        """What the function gives; an awaitable is awaited. It gets `slack` seconds more than the
        `timeout` that is told.

        Raises PluginHookFailed, whose `__cause__` is what was raised or where it hung, and
        DatabaseUnavailable or CommitFailed when what it wrote is lost.
        """
        scope = WorkScope()
        token = SCOPE.set(scope)
        try:
            answer = self._hooks.call(
                *(_begin, function, arguments),
                plugin=plugin,
                hook=label,
                timeout=timeout,
                slack=slack,
            )
        except BaseException:  # whatever ends the work, its transaction ends with it
            if not self._hooks.is_stuck():  # else a thread may be using the connection this moment
                with suppress(DatabaseUnavailable, CommitFailed):
                    scope.end(failed=True)
            raise
        else:
            scope.end(failed=False)
            return answer
        finally:
            SCOPE.reset(token)

    def is_stuck(self) -> bool:
        """True while what was given up still holds its thread."""
        return self._hooks.is_stuck()

    def close(self) -> None:
        """Lets its thread end."""
        self._hooks.close()


def _begin(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """From here on the current work is found in this thread, or where its coroutine is."""
    flight = CURRENT.get()
    if flight is not None:
        flight.thread = threading.current_thread()
    answer = function(*arguments)
    return as_current_work(answer) if inspect.isawaitable(answer) else answer
