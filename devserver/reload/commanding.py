"""Commands that somebody waits for."""

from __future__ import annotations

from typing import Any

from devserver.core.errors import DevServerError
from devserver.core.outcome import Outcome
from devserver.reload.queue import Command, ReloadQueue
from devserver.runtime.gate import CURRENT
from devserver.runtime.system import PluginSystem


class Commanding:
    """Puts them into the queue and waits for what comes of them, from any thread but that of the
    reloader. Everything raises DevServerError where that could never end: on the plugin loop, and
    in a hook of a reload."""

    def __init__(self, *, system: PluginSystem, queue: ReloadQueue) -> None:
        self._system = system
        self._queue = queue

    def outcome_of(self, command: Command) -> Outcome:
        """The outcome of a command that has one."""
        outcome: Outcome = self.answer_to(command)
        return outcome

    def answer_to(self, command: Command) -> Any:
        """What the reloader gives for a command."""
        self.step_aside()
        return self._queue.put(command).result()

    def step_aside(self) -> None:
        """Work of a plugin that asks for a reload cannot be waited for by that reload."""
        if self._system.loop.is_current():
            raise DevServerError(
                "a reload cannot be waited for on the plugin loop, which it needs itself",
                hint="`await self.plugin_manager.reload_plugin(name)`, or asyncio.to_thread",
            )
        flight = CURRENT.get()
        for part in () if flight is None else flight.chain():
            if part.pinned:
                raise DevServerError(
                    "a plugin cannot be reloaded from a hook of a reload",
                    hint="do it from a route, a command, an event or a task",
                )
            self._system.gate.leave(part)
