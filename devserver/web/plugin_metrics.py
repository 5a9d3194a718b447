"""Figures of plugins that are more than one number: latencies, health and events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from devserver.runtime.latency import BOUNDS
from devserver.runtime.registry import PluginRecord
from devserver.web.ports import Control

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "devserver"
_HEALTH = {"healthy": 1.0, "degraded": 0.5, "unhealthy": 0.0}


def latencies(control: Control, known: Sequence[PluginRecord]) -> Iterator[Metric]:
    """How long requests took until their answer was on its way."""
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        f"{PREFIX}_plugin_request_seconds",
        "Time from a request to its answer, the wait for a reload included.",
        labels=["plugin"],
    )
    bounds = [*map(str, BOUNDS), "+Inf"]
    for record in known:
        figures = control.latency(record.name)
        buckets = list(zip(bounds, accumulate(figures.counts), strict=True))
        family.add_metric([record.name], buckets, figures.seconds)
    yield family


def healths(control: Control, known: Sequence[PluginRecord]) -> Iterator[Metric]:
    """The last health of each plugin that has one, and the metrics that it told with it."""
    from prometheus_client.core import GaugeMetricFamily

    states = GaugeMetricFamily(
        f"{PREFIX}_plugin_health",
        "1 healthy, 0.5 degraded, 0 unhealthy; missing while it is unknown.",
        labels=["plugin"],
    )
    told = GaugeMetricFamily(
        f"{PREFIX}_plugin_health_metric",
        "What health_check() told as metrics.",
        labels=["plugin", "metric"],
    )
    for record in known:
        health = control.last_health(record.name)
        if health["status"] in _HEALTH:
            states.add_metric([record.name], _HEALTH[health["status"]])
        for metric, value in sorted(health["metrics"].items()):
            told.add_metric([record.name, metric], value)
    yield states
    yield told


def events(control: Control, known: Sequence[PluginRecord]) -> Iterator[Metric]:
    """What plugins published, and how the calls of their listeners ended."""
    from prometheus_client.core import CounterMetricFamily

    published = CounterMetricFamily(
        f"{PREFIX}_plugin_events_published", "Events that the plugin published.", labels=["plugin"]
    )
    heard = CounterMetricFamily(
        f"{PREFIX}_plugin_events_heard",
        "Calls of the plugin's listeners: delivered, failed, hung or dropped.",
        labels=["plugin", "result"],
    )
    names = {record.key: record.name for record in known}
    for record in known:
        published.add_metric([record.name], sum(control.events.topics(record.key).values()))
    for (key, result), number in sorted(control.events.results().items()):
        if key in names:
            heard.add_metric([names[key], result], number)
    yield published
    yield heard
