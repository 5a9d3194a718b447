"""Asks plugins how they are, without letting a slow answer hold anybody."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from typing import Any

from devserver.core.errors import DevServerError
from devserver.core.lifecycle import PluginStatus
from devserver.runtime.asked import call_attribute, health_of
from devserver.runtime.generation import Generation
from devserver.runtime.limited import LimitedWork
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem
from devserver.sdk.health import HealthStatus
from devserver.sdk.plugin import BasePlugin

_FRESH = 1.0  # seconds that an answer is good for
_PATIENCE = 0.25  # seconds that whoever asks waits for a new answer


@dataclass(frozen=True, slots=True)
class _Answer:
    generation: int
    at: float
    health: dict[str, Any]

    def told(self) -> dict[str, Any]:
        """With the time at which it was given."""
        age = time.monotonic() - self.at
        return {**self.health, "last_check": int(time.time() - age)}


class HealthProbe:
    """Keeps the last answer of each plugin and asks again when somebody wants to know. A plugin
    has `timeout` seconds to answer."""

    def __init__(self, system: PluginSystem, *, timeout: float = 2.0) -> None:
        self._system = system
        self._timeout = timeout
        self._answers: dict[str, _Answer] = {}
        self._asking: dict[str, Future[None]] = {}
        self._last: dict[str, tuple[int, LimitedWork]] = {}
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="health")

    def health(self, record: PluginRecord) -> dict[str, Any]:
        """`{"status", "healthy", "message", "components", "metrics", "last_check"}`; status is
        healthy, degraded, unhealthy (also where the plugin failed) or unknown (it is not to
        serve, or has not answered yet), last_check when that was found, in Unix seconds.

        While the plugin is being reloaded, or thinks for long, this is its last answer.
        """
        generation = record.generation
        known = self._known(record)
        if generation is None or time.monotonic() - known.at < _FRESH:
            return known.told()
        if generation.hold is not None:
            return known.told()
        number, last = self._last.get(record.key, (0, None))
        if number == generation.number and last is not None and last.is_stuck():
            # Each question would leave one more thread behind.
            return known.told()
        asked = self._asking.get(record.key)
        if asked is None or asked.done():
            asked = self._asking[record.key] = self._pool.submit(self._ask, record, generation)
        try:
            asked.result(_PATIENCE)
        except FutureTimeout:
            return known.told()
        return self._answers[record.key].told()

    def last(self, record: PluginRecord) -> dict[str, Any]:
        """What is known without asking, in the same shape."""
        return self._known(record).told()

    def _known(self, record: PluginRecord) -> _Answer:
        generation, now = record.generation, time.monotonic()
        if generation is None:
            failed = record.status is PluginStatus.FAILED
            status, healthy = ("unhealthy", False) if failed else ("unknown", None)
            return _Answer(0, now, _shape(status, healthy, record.reason))
        if not _asks(generation):
            return _Answer(generation.number, now, _shape("healthy", True, "ok"))
        known = self._answers.get(record.key)
        if known is not None and known.generation == generation.number:
            return known
        return _Answer(generation.number, generation.live_since, _told(generation.health))

    def stop(self) -> None:
        """Asks nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, record: PluginRecord, generation: Generation) -> None:
        work = LimitedWork(self._system.loop, f"health-{record.key}")
        try:
            with self._system.gate.inside(record.key, "health check") as flight:
                call = partial(
                    work.call, plugin=record.name, label="health_check", timeout=self._timeout
                )
                answer = call(call_attribute, flight.generation.plugin, "health_check")
                told = call(health_of, answer, self._system.secrets.of([record.key]))
            health = _shape("unhealthy", False, told) if isinstance(told, str) else _told(told)
        except DevServerError as error:
            message = self._system.secrets.mask(record.key, str(error))
            health = _shape("unhealthy", False, message)
        finally:
            work.close()
        self._last[record.key] = generation.number, work
        self._answers[record.key] = _Answer(generation.number, time.monotonic(), health)


def _asks(generation: Generation) -> bool:
    """True when the plugin has a `health_check()` of its own."""
    return getattr(type(generation.plugin), "health_check", None) is not BasePlugin.health_check


def _told(health: HealthStatus | None) -> dict[str, Any]:
    if health is None:
        return _shape("unknown", None, "not asked yet")
    return _shape(health.status, health.healthy, health.message, health.components, health.metrics)


def _shape(
    status: str,
    healthy: bool | None,
    message: str,
    components: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> dict[str, Any]:
    return {
        "status": status,
        "healthy": healthy,
        "message": message,
        "components": components or {},
        "metrics": metrics or {},
    }
