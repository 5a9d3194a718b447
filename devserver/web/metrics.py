"""`/metrics`: what Prometheus reads.

It is no control call: it has names and numbers alone, and a scraper has no token; the gate's
checks of Host and Origin hold for it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Outcome, Result
from devserver.reload.journal import FeedEvent
from devserver.runtime.registry import PluginRecord
from devserver.web.plugin_metrics import PREFIX as _PREFIX
from devserver.web.plugin_metrics import events, healths, latencies
from devserver.web.ports import Control
from devserver.web.process_metrics import process
from devserver.web.shapes import records

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry


class Metrics:
    """The view of /metrics. Outcomes are counted from the moment that it is made."""

    def __init__(self, *, control: Control) -> None:
        self._control = control
        self._reloads: Counter[tuple[str, Result]] = Counter()
        self._seconds: Counter[Result] = Counter()
        self._steps: Counter[tuple[str, Result]] = Counter()
        self._step_seconds: Counter[tuple[str, Result]] = Counter()
        self._counted = 0
        self._lock = threading.Lock()
        self._registry: CollectorRegistry | None = None
        control.journal.listen(self._count)

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("metrics", __name__)
        blueprint.get("/metrics")(self.show)
        return blueprint

    def show(self) -> Response:
        """All figures, in the format that the scraper asks for."""
        # It takes as long to import as half a start of the server, and few ask.
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(self._own_registry()), content_type=content_type)

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment, for the registry."""
        known = records(self._control.registry.view)
        yield from self._of_the_host(known)
        yield from self._of_plugins(known)
        yield from self._of_steps()
        yield from latencies(self._control, known)
        yield from healths(self._control, known)
        yield from events(self._control, known)

    def _own_registry(self) -> CollectorRegistry:
        from prometheus_client.registry import CollectorRegistry

        with self._lock:
            if self._registry is None:
                self._registry = CollectorRegistry(auto_describe=False)
                self._registry.register(self)
            return self._registry

    def _count(self, event: FeedEvent, outcome: Outcome | None) -> None:
        if outcome is None or event.kind != "outcome":
            return
        with self._lock:
            if outcome.id <= self._counted:
                return  # told once more, with what came after the commit
            self._counted = outcome.id
            for step in outcome.steps:
                self._steps[step.name, outcome.result] += step.plugin is None
                self._step_seconds[step.name, outcome.result] += (  # type: ignore[assignment]
                    step.ms / 1000 if step.plugin is None else 0
                )
            self._seconds[outcome.result] += outcome.duration_ms / 1000  # type: ignore[assignment]
            for plugin in outcome.plugins:
                self._reloads[plugin, outcome.result] += 1

    def _of_the_host(self, known: list[PluginRecord]) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield GaugeMetricFamily(
            f"{_PREFIX}_uptime_seconds",
            "How long the server has been running.",
            value=time.time() - self._control.started_at,
        )
        yield GaugeMetricFamily(
            f"{_PREFIX}_reload_queue_length",
            "Commands that wait for the reloader.",
            value=self._control.queued(),
        )
        yield from process()
        plugins = GaugeMetricFamily(f"{_PREFIX}_plugins", "Plugins by status.", labels=["status"])
        by_status = Counter(r.status for r in known)
        for status in PluginStatus:
            plugins.add_metric([str(status)], by_status[status])
        yield plugins
        seconds = CounterMetricFamily(
            f"{_PREFIX}_reload_seconds",
            "Time from change to outcome, by result.",
            labels=["result"],
        )
        with self._lock:
            spent = dict(self._seconds)
        for result in Result:
            seconds.add_metric([str(result)], spent.get(result, 0))
        yield seconds

    def _of_plugins(self, known: list[PluginRecord]) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        kinds: dict[str, Any] = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        figures = [(record.name, self._figures(record)) for record in known]
        for name, (kind, text) in _FAMILIES.items():
            family = kinds[kind](f"{_PREFIX}_plugin_{name}", text, labels=["plugin"])
            for plugin, values in figures:
                family.add_metric([plugin], values[name])
            yield family
        reloads = CounterMetricFamily(
            f"{_PREFIX}_plugin_reloads", "Reloads by result.", labels=["plugin", "result"]
        )
        with self._lock:
            counted = sorted(self._reloads.items())
        for (plugin, result), number in counted:
            reloads.add_metric([plugin, str(result)], number)
        yield reloads

    def _of_steps(self) -> Iterator[Metric]:
        from prometheus_client.core import SummaryMetricFamily

        steps = SummaryMetricFamily(
            f"{_PREFIX}_reload_step_seconds",
            "Time that each step of a reload took, by the reload's result.",
            labels=["step", "result"],
        )
        with self._lock:
            counted = sorted(self._steps.items())
            spent = dict(self._step_seconds)
        for (step, result), number in counted:
            if number:
                steps.add_metric([step, str(result)], number, spent[step, result])
        yield steps

    def _figures(self, record: PluginRecord) -> dict[str, float]:
        control, name = self._control, record.name
        own = control.plugin_details(name)["metrics"]
        return {
            "live_generations": len(control.live_generations(name)),
            "leaked_generations": len(control.leaks(name)),
            "generation": record.generation_number,
            "active": record.generation is not None,
            "pending": record.pending,
            "active_requests": control.active_requests(name),
            "event_queue_length": control.queued_events(name),
            "requests": own.get("requests", 0),
            "errors": own.get("errors", 0),
            "routes": control.routes_count(name),
            "uptime_seconds": own.get("uptime", 0),
        }


_FAMILIES = {
    "live_generations": ("gauge", "Generations whose objects exist in memory; 1 is right."),
    "leaked_generations": ("gauge", "Generations that were let go and that somebody holds."),
    "generation": ("gauge", "The number of the generation that was made last."),
    "active": ("gauge", "1 while a generation answers."),
    "pending": ("gauge", "1 while what is on disk is not what runs."),
    "active_requests": ("gauge", "Requests, events and commands inside the plugin now."),
    "event_queue_length": ("gauge", "Calls of the plugin's listeners that are due."),
    "requests": ("counter", "Requests to the plugin."),
    "errors": ("counter", "Errors that the plugin's code raised."),
    "routes": ("gauge", "Routes that the plugin serves."),
    "uptime_seconds": ("gauge", "How long the running generation has been live."),
}
