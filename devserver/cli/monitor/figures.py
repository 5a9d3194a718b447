"""What `/metrics` says at one moment, and what happened between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

_PLUGIN = "devserver_plugin_"
_SECONDS = f"{_PLUGIN}request_seconds"
_STEP = "devserver_reload_step_seconds"
Buckets = dict[float, float]
"""Upper bound in seconds → requests that took at most so long."""


@dataclass(slots=True, kw_only=True)
class PluginFigures:
    """One plugin's. `values` are those with no other label, by the end of their names; `buckets`
    of its latency, `reloads` by result, `events` its own calls by result, `told` what its
    health_check() gave as metrics."""

    values: dict[str, float] = field(default_factory=dict)
    buckets: Buckets = field(default_factory=dict)
    reloads: dict[str, float] = field(default_factory=dict)
    events: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Figures:
    """All of a moment; `time` is in seconds of any clock, `host` by name, `steps` name → (runs,
    seconds)."""

    time: float
    host: dict[str, float] = field(default_factory=dict)
    plugins: dict[str, PluginFigures] = field(default_factory=dict)
    steps: dict[str, tuple[float, float]] = field(default_factory=dict)


def read_figures(text: str, time: float) -> Figures:
    """From the text format of Prometheus."""
    found = Figures(time=time)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            plugin = labels.pop("plugin", None)
            if plugin is not None:
                of = found.plugins.setdefault(plugin, PluginFigures())
                _take(of, sample.name.removeprefix(_PLUGIN), labels, sample.value)
            elif sample.name.startswith(_STEP):
                _take_step(found, labels["step"], sample.name, sample.value)
            elif not labels:
                found.host[sample.name.removeprefix("devserver_")] = sample.value
    return found


def _take(of: PluginFigures, name: str, labels: Mapping[str, str], value: float) -> None:
    match name, labels:
        case "request_seconds_bucket", {"le": bound}:
            of.buckets[float(bound)] = value
        case "reloads_total", {"result": result}:
            of.reloads[result] = value
        case "events_heard_total", {"result": result}:
            of.events[result] = value
        case "health_metric", {"metric": metric}:
            of.told[metric] = value
        case _:
            of.values[name.removesuffix("_total")] = value


def _take_step(found: Figures, step: str, name: str, value: float) -> None:
    runs, seconds = found.steps.get(step, (0.0, 0.0))
    if name.endswith("_count"):
        found.steps[step] = (runs + value, seconds)
    elif name.endswith("_sum"):
        found.steps[step] = (runs, seconds + value)


def rows_of(now: Figures, before: Figures | None, plugins: Iterable[Mapping[str, Any]]) -> list[
    dict[str, Any]
]:  # fmt: skip
    """Each of `plugins` (as `/api/plugins` lists them) with its figures. Rates and latencies are
    of the time between the two moments, None where nothing is known of it."""
    return [
        {
            "name": row["name"],
            "version": row["version"],
            "status": row["status"],
            "health": row["health"]["status"],
            "pending": row["pending"],
            **_row(now, before, row["name"]),
        }
        for row in plugins
    ]


def _row(now: Figures, before: Figures | None, name: str) -> dict[str, Any]:
    of = now.plugins.get(name, PluginFigures())
    was = None if before is None else before.plugins.get(name)
    seconds = 0.0 if before is None else now.time - before.time
    buckets = _between(of.buckets, {} if was is None else was.buckets)

    def rate(value: str) -> float | None:
        if was is None or seconds <= 0:
            return None
        gone = of.values.get(value, 0.0) - was.values.get(value, 0.0)
        return round(max(0.0, gone) / seconds, 3)  # a server that began anew counts from 0

    counted = ("generation", "live_generations", "leaked_generations", "active_requests", "routes",
               "requests", "errors", "event_queue_length", "events_published")  # fmt: skip
    return {
        **{value: int(of.values.get(value, 0)) for value in counted},
        "requests_per_second": rate("requests"),
        "errors_per_second": rate("errors"),
        "latency_p50_ms": quantile(buckets, 0.5) if was is not None else None,
        "latency_p95_ms": quantile(buckets, 0.95) if was is not None else None,
        "uptime_seconds": round(of.values.get("uptime_seconds", 0.0), 3),
        "reloads": {result: int(value) for result, value in of.reloads.items()},
        "events_heard": {result: int(value) for result, value in of.events.items()},
        "health_metrics": of.told,
    }


def host_row(now: Figures, before: Figures | None) -> dict[str, Any]:
    """Of the server's process: memory in bytes, the share of a processor since `before`, uptime
    in seconds, and the mean of each step of all reloads in milliseconds."""
    cpu = None
    if before is not None and now.time > before.time:
        name = "process_cpu_seconds_total"
        spent = now.host.get(name, 0.0) - before.host.get(name, 0.0)
        cpu = round(max(0.0, spent) / (now.time - before.time), 3)
    return {
        "memory_bytes": int(now.host.get("process_resident_memory_bytes", 0)) or None,
        "cpu": cpu,
        "uptime_seconds": round(now.host.get("uptime_seconds", 0.0), 3),
        "queued_reloads": int(now.host.get("reload_queue_length", 0)),
        "step_mean_ms": {
            step: round(seconds / runs * 1000, 3) for step, (runs, seconds) in now.steps.items()
            if runs
        },
    }  # fmt: skip


def _between(now: Buckets, before: Buckets) -> Buckets:
    if any(value < before.get(bound, 0.0) for bound, value in now.items()):
        return now  # the server began anew
    return {bound: value - before.get(bound, 0.0) for bound, value in now.items()}


def quantile(buckets: Buckets, share: float) -> float | None:
    """The milliseconds that `share` of the requests took at most, by straight lines between the
    bounds; None without requests. What took longer than the last bound counts as that."""
    bounds = sorted(buckets)
    wanted = share * (buckets[bounds[-1]] if bounds else 0.0)
    if not wanted:
        return None
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            if bound == float("inf"):
                break
            part = (wanted - below) / (buckets[bound] - below)
            return round((low + part * (bound - low)) * 1000, 3)
        low, below = bound, buckets[bound]
    return round(low * 1000, 3)
