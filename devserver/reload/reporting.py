"""What web, command line and plugins may ask of the running host that changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devserver.core.errors import PluginNotFound
from devserver.core.source import PluginSource
from devserver.reload.api_parts import ApiParts
from devserver.reload.details import details_of, routes_of
from devserver.reload.inspection import Inspection
from devserver.reload.leaks import LeakWatch
from devserver.reload.probe import HealthProbe
from devserver.reload.queue import ReloadQueue
from devserver.reload.watch_log import WatchReport
from devserver.runtime.api_document import ApiPart
from devserver.runtime.generation import Generation
from devserver.runtime.latency import LatencyFigures
from devserver.runtime.registry import PluginRecord, Registry
from devserver.runtime.system import PluginSystem


class Reporting:
    """All calls may come from any thread; none waits for the reloader."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        queue: ReloadQueue,
        probe: HealthProbe,
        api: ApiParts,
        leaks: LeakWatch,
        pending: Callable[[], list[str]],
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
        self.events = system.bus.log
        self.inspection = Inspection(system=system, leaks=leaks)
        self.watcher: WatchReport | None = None

    def _record(self, name: str) -> PluginRecord:
        record = self.registry.view.find(name)
        if record is None:
            raise PluginNotFound(name)
        return record

    def serves(self, source: PluginSource) -> bool:
        """Whether this is what runs."""
        record = self.registry.view.find(source.name)
        generation = None if record is None else record.generation
        return generation is not None and generation.source.is_same(source)

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
        return self._system.counters(self._record(name).key).latency.figures()

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
        return self._system.requests_served()

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
            **details_of(
                record,
                published=self.events.topics(record.key),
                counters=self._system.counters(record.key),
            ),
            "routes": routes_of(record.answering),
        }
