"""What web, command line and plugins may ask of the running host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from devserver.core.errors import (
    CommandNotFound,
    DevServerError,
    PluginNotFound,
    PluginUnavailable,
)
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Outcome
from devserver.core.settings import Settings
from devserver.reload.journal import Journal
from devserver.reload.leaks import LeakWatch
from devserver.reload.probe import HealthProbe
from devserver.reload.queue import Enable, ReloadPlugins, ReloadQueue, Rescan, Withdraw
from devserver.reload.withdrawal import Withdrawn
from devserver.runtime.commands import run_command
from devserver.runtime.gate import CURRENT
from devserver.runtime.generation import Generation
from devserver.runtime.registry import PluginRecord, Registry
from devserver.runtime.system import PluginSystem


class Control:
    """All calls may come from any thread; those that change something wait for the reloader."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        journal: Journal,
        queue: ReloadQueue,
        probe: HealthProbe,
        leaks: LeakWatch,
        pending: Callable[[], list[str]],
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._queue = queue
        self._probe = probe
        self._leaks = leaks
        self._pending = pending
        self._settings = settings
        self.root = system.project.root
        self.registry: Registry = system.registry
        self.journal = journal
        self.started_at = time.time()
        self.watch = {"watching": False, "mode": "off"}

    def _record(self, name: str) -> PluginRecord:
        record = self.registry.view.find(name)
        if record is None:
            raise PluginNotFound(name)
        return record

    def reload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Reloads a plugin from disk, with its dependents, and waits for the outcome.

        Raises PluginNotFound, PluginUnavailable for one that is disabled, or DevServerError when
        a hook of a reload asks for another one.
        """
        record = self._record(name)
        if record.status is PluginStatus.DISABLED:
            raise PluginUnavailable(
                f"plugin {record.name!r} is disabled: {record.reason}",
                hint=f"`sysctl plugins enable {record.name}` puts it into service",
            )
        self._step_aside()
        command = ReloadPlugins(keys=(record.key,), force=force, trigger=trigger)
        outcome: Outcome = self._queue.put(command).result()
        return outcome

    def enable(self, name: str, *, trigger: str = "api") -> Outcome:
        """Puts a plugin into service and waits for the outcome; one that cannot go live stays
        as it was. Raises PluginNotFound."""
        key = self._record(name).key
        self._step_aside()
        outcome: Outcome = self._queue.put(Enable(key=key, trigger=trigger)).result()
        return outcome

    def disable(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Takes a plugin out of service until it is enabled, and waits until what was inside
        has ended (open streams apart). `force` takes those that need it along, and does not
        wait for requests.

        Raises PluginNotFound, SwitchRefused.
        """
        return self._withdraw(name, PluginStatus.DISABLED, force=force, trigger=trigger)

    def unload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Like `disable`, but the next start loads the plugin again."""
        return self._withdraw(name, PluginStatus.REGISTERED, force=force, trigger=trigger)

    def _withdraw(self, name: str, status: PluginStatus, *, force: bool, trigger: str) -> Outcome:
        key = self._record(name).key
        self._step_aside()
        command = Withdraw(key=key, status=status, force=force, trigger=trigger)
        withdrawn: Withdrawn = self._queue.put(command).result()
        limits = self._settings().reload
        withdrawn.wait(limits.timeout + (0 if force else limits.drain_timeout))
        return withdrawn.outcome

    def _step_aside(self) -> None:
        """Work of a plugin that asks for a reload cannot be waited for by that reload."""
        if self._system.loop.is_current():
            raise DevServerError(
                "a reload cannot be waited for on the plugin loop, which it needs itself",
                hint="call it in a thread: asyncio.to_thread(self.plugin_manager.reload, name)",
            )
        flight = CURRENT.get()
        for part in () if flight is None else flight.chain():
            if part.pinned:
                raise DevServerError(
                    "a plugin cannot be reloaded from a hook of a reload",
                    hint="do it from a route, a command, an event or a task",
                )
            self._system.gate.leave(part)

    def discover(self) -> list[str]:
        """Looks at plugins/ anew, loads what is new, and gives all names."""
        self._step_aside()
        self._queue.put(Rescan()).result()
        return sorted(r.name for r in self.registry.view.plugins.values())

    def run_command(self, plugin: str, command: str, arguments: dict[str, Any]) -> Any:
        """What a plugin's command returns.

        Raises PluginNotFound, PluginUnavailable, CommandNotFound, or DevServerError for
        arguments that do not fit.
        """
        record = self._record(plugin)
        if record.generation is None:
            raise PluginUnavailable(f"plugin {record.name!r} is {record.status}: {record.reason}")
        with self._system.gate.inside(record.key, f"command {command}") as flight:
            known = flight.generation.commands.get(command)
            if known is None:
                names = ", ".join(sorted(flight.generation.commands)) or "none"
                raise CommandNotFound(
                    f"plugin {record.name!r} has no command {command!r}",
                    hint=f"its commands: {names}",
                )
            return run_command(known, arguments, self._system.loop)

    def health(self, name: str) -> dict[str, Any]:
        """The plugin's last health, asked anew when it is older than a second."""
        return self._probe.health(self._record(name))

    def routes_count(self, name: str) -> int:
        """How many routes a plugin serves."""
        generation = self._record(name).generation
        return 0 if generation is None else len(generation.routes)

    def active_requests(self, name: str) -> int:
        """How many requests, events and commands are inside a plugin now."""
        generation = self._record(name).generation
        return 0 if generation is None else len(generation.flights) + len(generation.streams)

    def requests_served(self) -> int:
        """Requests to plugins since the start."""
        return sum(
            r.generation.counters.requests
            for r in self.registry.view.plugins.values()
            if r.generation is not None
        )

    def watch_status(self) -> dict[str, Any]:
        """`{"watching": bool, "mode": "native"|"polling"|"off"}`."""
        return dict(self.watch)

    def pending(self) -> list[str]:
        """Keys of plugins whose content on disk is not live."""
        return self._pending()

    def queued(self) -> int:
        """How many commands wait for the reloader."""
        return self._queue.length

    def live_generations(self, name: str) -> list[int]:
        """The numbers of the generations whose objects are alive."""
        return self._system.live.numbers(name)

    def leaks(self, name: str, *, look: bool = False) -> list[dict[str, Any]]:
        """Generations of a plugin that were let go but are still in memory, each with who holds
        it: `{generation, rolled_back, kind, holder, chain, hint}`. With `look` it is looked at
        once, which takes some milliseconds; else what was seen last is told. Raises
        PluginNotFound."""
        record = self._record(name)
        if look:
            self._leaks.look()
        return [leak.to_json() for leak in self._leaks.leaks(record.name)]

    def plugin_details(self, name: str) -> dict[str, Any]:
        """What is known of a plugin beyond its record; secrets in the configuration masked."""
        record = self._record(name)
        edges = self.registry.view.edges
        generation = record.generation
        return {
            "dependencies": [
                {"name": e.target, "kind": e.kind} for e in edges if e.source == record.key
            ],
            "dependents": sorted(e.source for e in edges if e.target == record.key),
            **(_nothing() if generation is None else _live(generation)),
        }


def _nothing() -> dict[str, Any]:
    return {
        "routes": {"count": 0, "details": []},
        "config": {},
        "permissions": [],
        "services": [],
        "events": {"subscribes": []},
        "commands": [],
        "metrics": {},
    }


def _live(generation: Generation) -> dict[str, Any]:
    return {
        "routes": {
            "count": len(generation.routes),
            "details": [
                {
                    "path": r.path,
                    "methods": list(r.methods),
                    "name": r.name,
                    "summary": r.summary,
                }
                for r in generation.routes
            ],
        },
        "config": _masked(generation),
        "permissions": [
            {"key": getattr(p, "key", str(p)), "description": getattr(p, "description", "")}
            for p in generation.permissions
        ],
        "services": sorted(generation.services),
        "events": {
            "publishes": list(generation.manifest.events.publishes),
            "subscribes": sorted({s.topic for s in generation.subscriptions}),
        },
        "commands": [
            {"name": c.name, "help": c.help} for _, c in sorted(generation.commands.items())
        ],
        "metrics": generation.host.metrics(),
    }


def _masked(generation: Generation) -> dict[str, Any]:
    options = generation.manifest.configuration
    return {
        key: "***" if key in options and options[key].secret and value else value
        for key, value in generation.host.config().items()
    }
