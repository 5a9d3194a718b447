"""What the web side needs of the running product, as protocols: anything with these members
can stand behind the pages and the API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from devserver.core.outcome import Outcome
from devserver.reload.journal import Journal
from devserver.runtime.registry import Registry


class Control(Protocol):
    """The one door to the running product. Names are accepted in either spelling."""

    root: Path
    """The project's folder."""
    registry: Registry
    journal: Journal
    started_at: float
    """Unix seconds."""

    def reload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Reloads and waits for the outcome. Raises PluginNotFound, PluginUnavailable."""
        ...

    def enable(self, name: str, *, trigger: str = "api") -> Outcome:
        """Puts a plugin into service and waits for the outcome. Raises PluginNotFound."""
        ...

    def disable(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Takes a plugin out of service and waits until it is gone. Raises PluginNotFound,
        SwitchRefused."""
        ...

    def unload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        """Like `disable`, until the next start. Raises PluginNotFound, SwitchRefused."""
        ...

    def discover(self) -> list[str]:
        """Looks at the plugins folder again; the names of all plugins known then."""
        ...

    def run_command(self, plugin: str, command: str, arguments: dict[str, Any]) -> object:
        """What the plugin's command returned. Raises PluginNotFound, CommandNotFound,
        PluginUnavailable, another DevServerError for arguments that do not fit, or whatever
        the command itself raises."""
        ...

    def health(self, name: str) -> Mapping[str, Any]:
        """`{status, healthy, message, components, metrics}`; status is healthy, degraded,
        unhealthy or unknown. Never blocks for long."""
        ...

    def plugin_details(self, name: str) -> Mapping[str, Any]:
        """routes `{count, details: [{path, methods, name, summary}]}`, dependencies, dependents,
        config (secrets masked), permissions, services, events, commands `[{name, help}]`,
        metrics."""
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
