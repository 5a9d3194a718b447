"""What the web side needs of the running product, as protocols: anything with these members
can stand behind the pages and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from devserver.core.outcome import Outcome
from devserver.reload.canary_control import CanaryControl
from devserver.reload.configurations import Configurations
from devserver.reload.followers import Followers
from devserver.reload.inspection import Inspection
from devserver.reload.journal import Journal
from devserver.reload.rollbacks import Rollbacks
from devserver.reload.settings_in_force import SettingsInForce
from devserver.reload.watch_log import WatchReport
from devserver.runtime.api_document import ApiPart
from devserver.runtime.event_log import EventLog
from devserver.runtime.generation import Generation
from devserver.runtime.latency import LatencyFigures
from devserver.runtime.log_ring import LogRing
from devserver.runtime.registry import Registry


class Control(Protocol):
    """The one door to the running product. Names are accepted in either spelling."""

    root: Path
    """The project's folder."""
    title: str
    """What stands on the pages, by default the folder's name."""
    registry: Registry
    journal: Journal
    events: EventLog
    """What plugins published lately."""
    logs: LogRing
    """What was logged lately."""
    watcher: WatchReport | None
    rollbacks: Rollbacks | None
    canaries: CanaryControl
    inspection: Inspection
    in_force: SettingsInForce
    followers: Followers
    """Plugins whose saves are reloaded though `reload.automatic` is false."""
    configurations: Configurations
    started_at: float
    """Unix seconds."""

    def reload(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        """Reloads and waits for the outcome; with `backup_state` state is written down, too.
        Raises PluginNotFound, PluginUnavailable."""
        ...

    def restart(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        """Like `reload`, but the plugin's state begins anew."""
        ...

    def reload_all(
        self, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> list[Outcome]:
        """Reloads every plugin that is not disabled, dependencies first."""
        ...

    def enable(self, name: str, *, routes: bool = True, trigger: str = "api") -> Outcome:
        """Puts a plugin into service and waits for the outcome; without `routes` they stay as
        they are. Raises PluginNotFound."""
        ...

    def load(self, name: str, *, trigger: str = "api") -> Outcome:
        """Like `enable`, and serves it from plugins/ where it was served from elsewhere. Raises
        PluginNotFound, DevServerError."""
        ...

    def configure(
        self, name: str, changes: Mapping[str, Any], *, trigger: str = "config"
    ) -> Outcome:
        """Overrides values of a plugin's configuration (None takes an override out) and waits
        until they are in force. Raises PluginNotFound."""
        ...

    def disable(
        self, name: str, *, force: bool = False, routes: bool = True, trigger: str = "api"
    ) -> Outcome:
        """Takes a plugin out of service and waits until it is gone; without `routes` they stay
        as they are. Raises PluginNotFound, SwitchRefused."""
        ...

    def unload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Like `disable`, until the next start. Raises PluginNotFound, SwitchRefused."""
        ...

    def apply_settings(self, development_mode: bool | None = None) -> None:
        """Reads config/hot-loading.yaml anew and waits until it is in force; with development
        mode on or off for this run, where that is given."""
        ...

    def discover(self) -> list[str]:
        """Looks at the plugins folder again; the names of all plugins known then."""
        ...

    def run_command(
        self,
        plugin: str,
        command: str,
        arguments: dict[str, Any],
        *,
        caller_left: Callable[[], bool] = ...,
    ) -> object:
        """What the plugin's command returned; it is ended when `caller_left()`. Raises
        PluginNotFound, CommandNotFound, PluginUnavailable, BadArguments, or whatever the command
        itself raises."""
        ...

    def describe_commands(self, plugin: str) -> list[dict[str, Any]]:
        """What the plugin's commands take: `[{name, help, parameters}]`. Raises PluginNotFound,
        PluginUnavailable."""
        ...

    def health(self, name: str) -> Mapping[str, Any]:
        """`{status, healthy, message, components, metrics}`; status is healthy, degraded,
        unhealthy or unknown. Never blocks for long."""
        ...

    def last_health(self, name: str) -> Mapping[str, Any]:
        """What is known of a plugin's health without asking it."""
        ...

    def latency(self, name: str) -> LatencyFigures:
        """How long the requests to a plugin took."""
        ...

    def services(self) -> list[dict[str, str]]:
        """Every service: `{name, plugin, version, type}`, by name."""
        ...

    def queued_events(self, name: str) -> int:
        """How many calls of a plugin's listeners are due."""
        ...

    def plugin_details(self, name: str) -> Mapping[str, Any]:
        """routes `{count, details: [{path, methods, name, summary}]}`, dependencies, dependents,
        config (secrets masked), permissions, services, events, commands `[{name, help}]`,
        metrics."""
        ...

    def api_part(self, generation: Generation) -> ApiPart:
        """What a generation answers, as its part of the OpenAPI document; within seconds."""
        ...

    def routes_count(self, name: str) -> int:
        """How many routes the plugin answers now."""
        ...

    def active_requests(self, name: str) -> int:
        """How many requests to the plugin are in flight now."""
        ...

    def requests_served(self) -> int:
        """How many requests plugins have answered since the start."""
        ...

    def watch_status(self) -> Mapping[str, Any]:
        """`{"watching": bool, "mode": "native" | "polling" | "off"}`."""
        ...

    def queued(self) -> int:
        """How many commands wait for the reloader."""
        ...

    def leaks(self, name: str, *, look: bool = False) -> list[dict[str, Any]]:
        """Old generations of the plugin that somebody holds, with the holder."""
        ...

    def live_generations(self, name: str) -> list[int]:
        """The numbers of the plugin's generations that still exist, the oldest first."""
        ...
