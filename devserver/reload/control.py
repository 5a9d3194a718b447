"""What web, command line and plugins may ask of the running host."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from devserver.core.errors import CommandNotFound, PluginUnavailable
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome
from devserver.reload.api_parts import ApiParts
from devserver.reload.canary_control import CanaryControl
from devserver.reload.commanding import Commanding
from devserver.reload.configurations import Configurations
from devserver.reload.followers import Followers
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
from devserver.reload.reporting import Reporting
from devserver.reload.rollbacks import Rollbacks
from devserver.reload.settings_in_force import SettingsInForce
from devserver.reload.withdrawal import Withdrawn
from devserver.runtime.commands import describe_command, run_command
from devserver.runtime.log_ring import LogRing
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem


class Elsewhere(Protocol):
    """Plugins that are served from outside of plugins/."""

    def find(self, name: str) -> Path | None: ...

    def leave(self, name: str, *, trigger: str = "api") -> Outcome: ...


class Control(Reporting):
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
        super().__init__(
            system=system, queue=queue, probe=probe, api=api, leaks=leaks, pending=pending
        )
        self._commanding = Commanding(system=system, queue=queue)
        self._reloads = Reloads(registry=self.registry, commanding=self._commanding)
        self.canaries = CanaryControl(system=system, commanding=self._commanding)
        self.journal = journal
        self.logs = LogRing(system.secrets)
        self.in_force = in_force
        self.followers = followers
        self.configurations = configurations
        self.rollbacks: Rollbacks | None = None
        self.outside: Elsewhere | None = None
        self.started_at = time.time()

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
        return self._commanding.outcome_of(Enable(key=key, routes=routes, trigger=trigger))

    def load(self, name: str, *, trigger: str = "api") -> Outcome:
        """Like `enable`; a plugin that is served from elsewhere is served from plugins/ again.
        Raises PluginNotFound, and DevServerError when it does not stand there."""
        shown = self._record(name).name
        if self.outside is not None and self.outside.find(shown) is not None:
            return self.outside.leave(shown, trigger=trigger)
        return self.enable(shown, trigger=trigger)

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
        command = Replace(
            key=normalise(name), put=put, put_back=put_back, enable=enable, trigger=trigger
        )
        return self._commanding.outcome_of(command)

    def configure(
        self, name: str, changes: Mapping[str, Any], *, trigger: str = "config"
    ) -> Outcome:
        """Overrides values of a plugin's configuration (None takes an override out), and waits
        until they are in force, or refused; a mask leaves its secret as it is. Raises
        PluginNotFound."""
        key = self._record(name).key
        command = Configure(key=key, changes=changes, trigger=trigger)
        return self._commanding.outcome_of(command)

    def catch_up(self, name: str, *, trigger: str = "config") -> Outcome:
        """Takes what another instance has set of a plugin's configuration. Raises
        PluginNotFound."""
        command = Configure(key=self._record(name).key, changes=None, trigger=trigger)
        return self._commanding.outcome_of(command)

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
        command = Withdraw(key=key, status=status, force=force, routes=routes, trigger=trigger)
        withdrawn: Withdrawn = self._commanding.answer_to(command)
        limits = self.in_force.current.reload
        return withdrawn.wait(limits.timeout + (0 if force else limits.drain_timeout))

    def apply_settings(self, development_mode: bool | None = None) -> None:
        """Has config/hot-loading.yaml read anew and waits until what it says is in force, with
        development mode on or off whatever it says, until this host stops, where that is given."""
        self._commanding.step_aside()
        self.in_force.say(development_mode)
        self._commanding.answer_to(ReadSettings())

    def discover(self) -> list[str]:
        """Looks at plugins/ anew, loads what is new, and gives all names."""
        self._commanding.answer_to(Rescan())
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
                known,
                arguments,
                self._system.loop,
                plugin=record.name,
                counters=flight.generation.counters,
                caller_left=caller_left,
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
