"""What web, command line and plugins may ask of the running host."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from devserver.core.errors import (
    CommandNotFound,
    DevServerError,
    PluginNotFound,
    PluginUnavailable,
)
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome
from devserver.core.source import PluginSource
from devserver.reload.api_parts import ApiParts
from devserver.reload.canary_control import CanaryControl
from devserver.reload.configurations import Configurations
from devserver.reload.details import details_of, routes_of
from devserver.reload.followers import Followers
from devserver.reload.inspection import Inspection
from devserver.reload.journal import Journal
from devserver.reload.leaks import LeakWatch
from devserver.reload.probe import HealthProbe
from devserver.reload.queue import (
    Configure,
    Enable,
    ReadSettings,
    ReloadQueue,
    Replace,
    Rescan,
    Withdraw,
)
from devserver.reload.reloads import Reloads
from devserver.reload.rollbacks import Rollbacks
from devserver.reload.settings_in_force import SettingsInForce
from devserver.reload.watch_log import WatchReport
from devserver.reload.withdrawal import Withdrawn
from devserver.runtime.api_document import ApiPart
from devserver.runtime.commands import describe_command, run_command
from devserver.runtime.gate import CURRENT
from devserver.runtime.generation import Generation
from devserver.runtime.latency import LatencyFigures
from devserver.runtime.log_ring import LogRing
from devserver.runtime.registry import PluginRecord, Registry
from devserver.runtime.system import PluginSystem


class Elsewhere(Protocol):
    """Plugins that are served from outside of plugins/."""

    def find(self, name: str) -> Path | None: ...

    def leave(self, name: str, *, trigger: str = "api") -> Outcome: ...


class Control:
    """All calls may come from any thread; those that change something wait for the reloader."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        journal: Journal,
        queue: ReloadQueue,
        probe: HealthProbe,
        api: ApiParts,
        leaks: LeakWatch,
        configurations: Configurations,
        pending: Callable[[], list[str]],
        in_force: SettingsInForce,
        followers: Followers,
    ) -> None:
        self._system = system
        self._queue = queue
        self._probe = probe
        self._api = api
        self._leaks = leaks
        self._pending = pending
        self.root = system.project.root
        self.title = system.project.name
        self.registry: Registry = system.registry
        self.journal = journal
        self.events = system.bus.log
        self.rollbacks: Rollbacks | None = None
        self.inspection = Inspection(system=system, leaks=leaks)
        self._reloads = Reloads(registry=self.registry, queue=queue, step_aside=self.step_aside)
        self.canaries = CanaryControl(system=system, queue=queue, step_aside=self.step_aside)
        self.watcher: WatchReport | None = None
        self.logs = LogRing(system.secrets)
        self.outside: Elsewhere | None = None
        self.in_force = in_force
        self.followers = followers
        self.configurations = configurations
        self.started_at = time.time()

    def _record(self, name: str) -> PluginRecord:
        record = self.registry.view.find(name)
        if record is None:
            raise PluginNotFound(name)
        return record

    def reload(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        """Reloads a plugin from disk, with its dependents, and waits for the outcome. With
        `backup_state` the state of what goes is written down before that is told.

        Raises PluginNotFound, PluginUnavailable for one that is disabled, or DevServerError when
        a hook of a reload asks for another one.
        """
        return self._reloads.one(name, force=force, backup_state=backup_state, trigger=trigger)

    def restart(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        """Like `reload`, but nothing of the plugin's state goes on; that of its dependents does.
        What does not start leaves the running version as it is."""
        return self._reloads.one(
            name, force=force, backup_state=backup_state, trigger=trigger, anew=True
        )

    def reload_all(
        self, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> list[Outcome]:
        """Reloads every plugin that is not disabled, dependencies first."""
        return self._reloads.every(force=force, backup_state=backup_state, trigger=trigger)

    def enable(self, name: str, *, routes: bool = True, trigger: str = "api") -> Outcome:
        """Puts a plugin into service and waits for the outcome; one that cannot go live stays
        as it was. Without `routes` they stay as they are. Raises PluginNotFound."""
        key = self._record(name).key
        self.step_aside()
        outcome: Outcome = self._queue.put(Enable(key=key, routes=routes, trigger=trigger)).result()
        return outcome

    def load(self, name: str, *, trigger: str = "api") -> Outcome:
        """Like `enable`; a plugin that is served from elsewhere is served from plugins/ again.
        Raises PluginNotFound, and DevServerError when it does not stand there."""
        shown = self._record(name).name
        if self.outside is not None and self.outside.find(shown) is not None:
            return self.outside.leave(shown, trigger=trigger)
        return self.enable(shown, trigger=trigger)

    def serves(self, source: PluginSource) -> bool:
        """Whether this is what runs."""
        record = self.registry.view.find(source.name)
        generation = None if record is None else record.generation
        return generation is not None and generation.source.is_same(source)

    def replace(
        self,
        name: str,
        *,
        put: Callable[[], None],
        put_back: Callable[[], None],
        enable: bool = False,
        trigger: str = "api",
    ) -> Outcome:
        """Has `put` replace a plugin's files and makes them live; where that fails `put_back` is
        called. Both may be called several times in turn. A plugin that is out of service comes
        back only with `enable`."""
        self.step_aside()
        command = Replace(
            key=normalise(name), put=put, put_back=put_back, enable=enable, trigger=trigger
        )
        outcome: Outcome = self._queue.put(command).result()
        return outcome

    def configure(
        self, name: str, changes: Mapping[str, Any], *, trigger: str = "config"
    ) -> Outcome:
        """Overrides values of a plugin's configuration (None takes an override out), and waits
        until they are in force, or refused; a mask leaves its secret as it is. Raises
        PluginNotFound."""
        record = self._record(name)
        self.step_aside()
        command = Configure(key=record.key, changes=changes, trigger=trigger)
        outcome: Outcome = self._queue.put(command).result()
        return outcome

    def disable(
        self, name: str, *, force: bool = False, routes: bool = True, trigger: str = "api"
    ) -> Outcome:
        """Takes a plugin out of service until it is enabled, and waits until what was inside
        has ended (open streams apart). `force` takes those that need it along, and does not
        wait for requests. Without `routes` they stay as they are.

        Raises PluginNotFound, SwitchRefused.
        """
        status = PluginStatus.DISABLED
        return self._withdraw(name, status, force=force, routes=routes, trigger=trigger)

    def unload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Like `disable`, but the next start loads the plugin again."""
        return self._withdraw(name, PluginStatus.REGISTERED, force=force, trigger=trigger)

    def _withdraw(
        self,
        name: str,
        status: PluginStatus,
        *,
        force: bool,
        trigger: str,
        routes: bool = True,
    ) -> Outcome:
        key = self._record(name).key
        self.step_aside()
        command = Withdraw(key=key, status=status, force=force, routes=routes, trigger=trigger)
        withdrawn: Withdrawn = self._queue.put(command).result()
        limits = self.in_force.current.reload
        return withdrawn.wait(limits.timeout + (0 if force else limits.drain_timeout))

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

    def apply_settings(self, development_mode: bool | None = None) -> None:
        """Has config/hot-loading.yaml read anew and waits until what it says is in force, with
        development mode on or off whatever it says, until this host stops, where that is given."""
        self.step_aside()
        self.in_force.say(development_mode)
        self._queue.put(ReadSettings()).result()

    def discover(self) -> list[str]:
        """Looks at plugins/ anew, loads what is new, and gives all names."""
        self.step_aside()
        self._queue.put(Rescan()).result()
        return sorted(r.name for r in self.registry.view.plugins.values())

    def _serving(self, name: str) -> PluginRecord:
        record = self._record(name)
        if record.generation is None and not record.awaits_use:
            raise PluginUnavailable(f"plugin {record.name!r} is {record.status}: {record.reason}")
        return record

    def run_command(
        self,
        plugin: str,
        command: str,
        arguments: dict[str, Any],
        *,
        caller_left: Callable[[], bool] = lambda: False,
    ) -> Any:
        """What a plugin's command returns. It is ended when `caller_left()`.

        Raises PluginNotFound, PluginUnavailable, CommandNotFound, BadArguments for arguments that
        do not fit, or whatever the command raises.
        """
        record = self._serving(plugin)
        with self._system.gate.inside(record.key, f"command {command}") as flight:
            known = flight.generation.commands.get(command)
            if known is None:
                names = ", ".join(sorted(flight.generation.commands)) or "none"
                raise CommandNotFound(
                    f"plugin {record.name!r} has no command {command!r}",
                    hint=f"its commands: {names}",
                )
            return run_command(
                known, arguments, self._system.loop, plugin=record.name, caller_left=caller_left
            )

    def describe_commands(self, plugin: str) -> list[dict[str, Any]]:
        """What a plugin's commands take: `[{name, help, parameters}]`, by name. Raises
        PluginNotFound, PluginUnavailable."""
        record = self._serving(plugin)
        with self._system.gate.inside(record.key, "list of commands") as flight:
            return [
                describe_command(command, self._system.loop, plugin=record.name)
                for _, command in sorted(flight.generation.commands.items())
            ]

    def health(self, name: str) -> dict[str, Any]:
        """The plugin's last health, asked anew when it is older than a second."""
        return self._probe.health(self._record(name))

    def api_part(self, generation: Generation) -> ApiPart:
        """What a generation answers, as its part of the OpenAPI document."""
        return self._api.of(generation)

    def last_health(self, name: str) -> dict[str, Any]:
        """The plugin's last health, without asking."""
        return self._probe.last(self._record(name))

    def latency(self, name: str) -> LatencyFigures:
        """How long the requests to a plugin took, through all its generations."""
        generation = self._record(name).generation
        return LatencyFigures() if generation is None else generation.counters.latency.figures()

    def services(self) -> list[dict[str, str]]:
        """Every service: `{name, plugin, version, type}`, by name."""
        return self._system.services.listed()

    def queued_events(self, name: str) -> int:
        """How many calls of a plugin's listeners are due."""
        return self._system.bus.queued(self._record(name).key)

    def routes_count(self, name: str) -> int:
        """How many routes a plugin serves."""
        generation = self._record(name).answering
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
        return {"watching": False, "mode": "off"} if self.watcher is None else self.watcher.status()

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
        return {
            "dependencies": [
                {"name": e.target, "kind": e.kind} for e in edges if e.source == record.key
            ],
            "dependents": sorted(e.source for e in edges if e.target == record.key),
            **details_of(record, published=self.events.topics(record.key)),
            "routes": routes_of(record.answering),
        }
