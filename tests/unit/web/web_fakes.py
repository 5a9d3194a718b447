"""A product without a product: what stands behind the web side in its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devserver.core.canary import Verdict
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import CanaryRefused, CommandNotFound, PluginNotFound
from devserver.core.lifecycle import PluginStatus
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result, StateReport, Step
from devserver.reload.followers import Followers
from devserver.reload.journal import Journal
from devserver.reload.settings_in_force import SettingsInForce
from devserver.runtime.api_document import ApiPart, part_of
from devserver.runtime.event_log import EventLog
from devserver.runtime.generation import Generation
from devserver.runtime.latency import Latency, LatencyFigures
from devserver.runtime.registry import Edge, PluginRecord, Registry

LOADED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SYNTAX = Diagnostic(
    code="SYN001",
    severity=Severity.ERROR,
    message="'(' was never closed",
    plugin="orders",
    file="plugins/orders/plugin.py",
    line=12,
    column=10,
    end_line=12,
    end_column=20,
    hint="close the parenthesis",
    source_lines=("    total = sum(prices",),
)


def record(name: str, status: PluginStatus = PluginStatus.ACTIVE, **more: Any) -> PluginRecord:
    values: dict[str, Any] = {
        "reason": f"{name} is {status}",
        "manifest": Manifest(version="1.2.0", description=f"All about {name}"),
        "generation_number": 3,
        "last_loaded": LOADED,
        "reload_count": 2,
        **more,
    }
    return PluginRecord(name=name, status=status, **values)


def outcome(plugin: str, result: Result = Result.RELOADED, **more: Any) -> Outcome:
    values: dict[str, Any] = {
        "plugins": (plugin,),
        "message": f"{plugin} {result}",
        "reloaded": (plugin,) if result is Result.RELOADED else (),
        "generation": 4,
        "previous_generation": 3,
        "serving": {plugin: 4},
        "duration_ms": 41.25,
        "steps": (Step(name="validate", ms=6.0), Step(name="stage", ms=20.5, plugin=plugin)),
        "state": StateReport(kept=("count",), merged=("greeting",)),
        **more,
    }
    return Outcome(plugin=plugin, result=result, **values)


class FakeCanaries:
    """Remembers what it was asked for."""

    def __init__(self, control: FakeControl) -> None:
        self._control = control
        self.calls: list[tuple[Any, ...]] = []

    def start(self, name: str, **terms: Any) -> Outcome:
        self.calls.append(("start", name, terms))
        return self._control.on_reload(name)

    def end(self, name: str, verdict: Verdict) -> Outcome:
        self.calls.append(("end", name, str(verdict)))
        return self._control.on_reload(name)

    def status(self, name: str) -> dict[str, Any]:
        raise CanaryRefused(f"plugin {name!r} has no canary", hint="begin one", reasons=())


class FakeConfigurations:
    """Every plugin has the same configuration."""

    def shown(self, name: str) -> dict[str, Any]:
        return {"enabled": True, "api_key": "***"}

    def explained(self, name: str) -> list[dict[str, Any]]:
        return [{"key": "enabled", "value": True, "layer": "project", "file": "a.yaml", "line": 3}]

    def masked(self, name: str, text: str) -> str:
        return text.replace("hunter2", "***")


class FakeControl:
    """A Control whose answers a test sets."""

    def __init__(self, root: Path = Path("/projects/shop")) -> None:
        self.root = root
        self.title = root.name
        self.registry = Registry()
        self.journal = Journal()
        self.events = EventLog()
        self.canaries: Any = FakeCanaries(self)
        self.started_at = 1_700_000_000.0
        self.reload_calls: list[tuple[str, bool, str]] = []
        self.on_reload: Callable[[str], Outcome] = outcome
        self.commands: dict[tuple[str, str], Callable[..., object]] = {}
        self.healths: dict[str, str] = {}
        self.configurations = FakeConfigurations()
        self.configured: list[tuple[str, dict[str, Any]]] = []
        self.watch: Mapping[str, Any] = {"watching": True, "mode": "native"}
        self.followers = Followers()
        self.in_force = SettingsInForce(root, journal=self.journal, variant=lambda found: found)

    def add(self, *records: PluginRecord, edges: tuple[Edge, ...] = ()) -> None:
        self.registry.publish(*records, edges=(*self.registry.view.edges, *edges))

    def reload(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        trigger = f"{trigger} backup" if backup_state else trigger
        self.reload_calls.append((name, force, trigger))
        if self.registry.view.find(name) is None:
            raise PluginNotFound(name)
        return self.journal.record(self.on_reload(name))

    def restart(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        deed = f"{trigger} restart"
        return self.reload(name, force=force, backup_state=backup_state, trigger=deed)

    def reload_all(
        self, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> list[Outcome]:
        names = sorted(r.name for r in self.registry.view.plugins.values())
        return [self.reload(n, force=force, backup_state=backup_state) for n in names]

    def load(self, name: str, *, trigger: str = "api") -> Outcome:
        return self.enable(name, trigger=trigger)

    def configure(
        self, name: str, changes: Mapping[str, Any], *, trigger: str = "config"
    ) -> Outcome:
        self.configured.append((name, dict(changes)))
        return self.reload(name, trigger=trigger)

    def enable(self, name: str, *, routes: bool = True, trigger: str = "api") -> Outcome:
        return self.reload(name, trigger=f"{trigger} enable")

    def disable(
        self, name: str, *, force: bool = False, routes: bool = True, trigger: str = "api"
    ) -> Outcome:
        return self.reload(name, force=force, trigger=f"{trigger} disable")

    def unload(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        return self.reload(name, force=force, trigger=f"{trigger} unload")

    def apply_settings(self, development_mode: bool | None = None) -> None:
        self.in_force.say(development_mode)
        self.in_force.read()

    def discover(self) -> list[str]:
        return sorted(r.name for r in self.registry.view.plugins.values())

    def run_command(
        self,
        plugin: str,
        command: str,
        arguments: dict[str, Any],
        *,
        caller_left: Callable[[], bool] = lambda: False,
    ) -> object:
        found = self.commands.get((normalise(plugin), command))
        if found is None:
            raise CommandNotFound(f"{plugin} has no command {command!r}", hint="see its info")
        return found(**arguments)

    def describe_commands(self, plugin: str) -> list[dict[str, Any]]:
        known = sorted(command for of, command in self.commands if of == normalise(plugin))
        return [{"name": name, "help": "", "parameters": []} for name in known]

    def health(self, name: str) -> Mapping[str, Any]:
        status = self.healths.get(name, "healthy")
        return {
            "status": status,
            "healthy": {"healthy": True, "unhealthy": False}.get(status),
            "message": "",
            "components": {},
            "metrics": {},
        }

    def last_health(self, name: str) -> Mapping[str, Any]:
        return {**self.health(name), "metrics": {"jobs": 2.0}}

    def latency(self, name: str) -> LatencyFigures:
        found = Latency()
        for seconds in (0.0005, 0.02, 0.02, 60):
            found.observe(seconds)
        return found.figures()

    def services(self) -> list[dict[str, str]]:
        return [{"name": "users.api", "plugin": "users", "version": "1.2.0", "type": "Users"}]

    def queued_events(self, name: str) -> int:
        return 5

    def plugin_details(self, name: str) -> Mapping[str, Any]:
        return {
            "routes": {
                "count": 1,
                "details": [
                    {"path": "/", "methods": ["GET"], "name": "index", "summary": "All of it"}
                ],
            },
            "dependencies": [],
            "dependents": [],
            "config": {"api_key": "***"},
            "permissions": [],
            "services": [],
            "events": {"publishes": [], "subscribes": []},
            "commands": [{"name": "count", "help": "Counts"}],
            "metrics": {"requests": 7},
        }

    def api_part(self, generation: Generation) -> ApiPart:
        return part_of(generation)

    def routes_count(self, name: str) -> int:
        return 2

    def active_requests(self, name: str) -> int:
        return 1

    def requests_served(self) -> int:
        return 42

    def watch_status(self) -> Mapping[str, Any]:
        return self.watch

    def queued(self) -> int:
        return 0

    def leaks(self, name: str, *, look: bool = False) -> list[dict[str, Any]]:
        return []

    def live_generations(self, name: str) -> list[int]:
        return [3]
