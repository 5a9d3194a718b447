"""How the code of one generation is called: with a time limit, seeing the plugins that it is to
see, and with an eye on what it does to the interpreter."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from devserver.core.errors import (
    CommitFailed,
    DatabaseUnavailable,
    DevServerError,
    PluginHookFailed,
)
from devserver.runtime.asked import hook_of
from devserver.runtime.coroutines import is_coroutine_function
from devserver.runtime.gate import CURRENT, Flight
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.registry import SystemView
from devserver.runtime.surroundings import untraced
from devserver.runtime.system import PluginSystem
from devserver.runtime.traces import Trace
from devserver.runtime.work_database import SCOPE, WorkScope


class HookCalls:
    """Calls into one generation, each within `time_left()` seconds. `was_live` is True for one
    that has all its hooks on the way in behind it."""

    def __init__(
        self,
        generation: Generation,
        *,
        system: PluginSystem,
        hooks: HookRunner,
        time_left: Callable[[], float],
        was_live: bool,
    ) -> None:
        self.generation = generation
        self.time_left = time_left
        self.was_live = was_live
        self.view: SystemView | None = None
        """How hooks see the other plugins; None: as everybody does."""
        self._system = system
        self._hooks = hooks

    def hook(self, name: str, *arguments: Any) -> Any:
        """Calls a hook of the plugin; one that it does not override has nothing to do.

        Raises PluginHookFailed.
        """
        hook = hook_of(self.generation.plugin, name)
        if hook is None:
            return None
        if self.generation.live:
            return self.call(hook, *arguments, hook=name)
        with self.generation.table.times.measure("hook", name):
            return self.call(hook, *arguments, hook=name)

    def call(self, function: Callable[..., Any], *arguments: Any, hook: str) -> Any:
        """What a function gives that is, or runs, plugin code; `hook` is told of in errors.

        Raises PluginHookFailed.
        """
        context = contextvars.Context()
        flight = self._flight(hook)
        context.run(CURRENT.set, flight)
        scope = WorkScope()
        context.run(SCOPE.set, scope)
        leaving = self.was_live and self.generation.stopped
        plain = not is_coroutine_function(function)
        try:
            with self._system.surroundings.window(self.generation.table, leaving=leaving):
                answer = self._hooks.call(
                    *((untraced, function) if plain else (function,)),
                    *arguments,
                    plugin=self.generation.name,
                    hook=hook,
                    timeout=self.time_left(),
                    context=context,
                )
                self._commit(scope, hook)
        except BaseException as error:  # plugin code raises anything; raised again
            self._roll_back(scope)
            if flight is not None:
                # It may run on in a thread that cannot be ended.
                flight.forget_view()
            cause = error.__cause__
            if isinstance(error, PluginHookFailed) and isinstance(cause, DevServerError) and plain:
                error.hint = error.hint or cause.hint
            raise
        if flight is not None:
            self.generation.host.hook_ended(flight)
        return answer

    def _commit(self, scope: WorkScope, hook: str) -> None:
        try:
            scope.end(failed=False)
        except (DatabaseUnavailable, CommitFailed) as error:
            message = f"what {hook!r} wrote to the database is lost: {error.message}"
            raise self.fault(hook, message, hint=error.hint, code="RUN020") from error

    def _roll_back(self, scope: WorkScope) -> None:
        if not self._hooks.is_stuck():  # else a thread may be using the connection this moment
            with suppress(DatabaseUnavailable):
                scope.end(failed=True)

    def _flight(self, hook: str) -> Flight | None:
        if self.view is None:
            return None
        return Flight(f"hook {hook}", self.view, self.generation, pinned=True)

    def attempt(self, hook: str, function: Callable[..., Any], *arguments: Any) -> list[str]:
        """Calls `function(hook, *arguments)`; gives what went wrong, which is logged."""
        try:
            function(hook, *arguments)
        except PluginHookFailed as error:
            cause = error.__cause__
            if cause is not None:
                self._system.report(self.generation.key, hook, cause)
            return [error.message]
        return []

    def undo(self, undo: Callable[..., Any], label: str, *arguments: Any) -> Any:
        """For `attempt`: takes back what `label` tells of."""
        return self.call(undo, *arguments, hook=label)

    def undo_all(self, traces: Iterable[Trace]) -> list[str]:
        """Takes back what its code did to the interpreter; gives what went wrong."""
        undo = partial(self.undo, self._system.surroundings.undo)
        return [
            trouble
            for trace in traces
            for trouble in self.attempt(self._name_of(trace), undo, trace)
        ]

    def _name_of(self, trace: Trace) -> str:
        """The plugin's own objects are asked for their names."""
        try:
            return str(self.call(str, trace, hook="naming what it did"))
        except PluginHookFailed:
            return type(trace).__name__

    def fault(
        self, hook: str, message: str, *, hint: str | None = None, code: str = "RUN003"
    ) -> PluginHookFailed:
        """What stands for a hook that gave what it may not."""
        return PluginHookFailed(
            message, plugin=self.generation.name, hook=hook, code=code, hint=hint
        )
