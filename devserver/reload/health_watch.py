"""Asks for the health of plugins from time to time, and tells when it changes."""

from __future__ import annotations

import logging
import threading
from typing import Any, Protocol

from devserver.reload.probe import HealthProbe
from devserver.runtime.registry import PluginRecord, Registry

_log = logging.getLogger("devserver.health")
_LEVELS = {"healthy": "info", "degraded": "warning", "unhealthy": "error"}
_END = 1.0
"""Seconds that a stop waits for the thread."""


class Tell(Protocol):
    """Puts a notice into the feed."""

    def __call__(
        self, level: str, message: str, *, hint: str | None = None, plugin: str | None = None
    ) -> object: ...


class HealthWatch:
    """Looks every `interval` seconds (0: never). Plugins are asked by the probe, which no slow
    answer holds up; what is told is the change from one state to another."""

    def __init__(
        self, registry: Registry, probe: HealthProbe, *, interval: float, tell: Tell
    ) -> None:
        self._registry = registry
        self._probe = probe
        self._interval = interval
        self._tell = tell
        self._known: dict[str, str] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._interval > 0:
            self._thread = threading.Thread(target=self._run, name="health-watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(_END)

    def _run(self) -> None:
        while not self._over.wait(self._interval):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the watch goes on, whatever one look met
                _log.exception("the health of plugins could not be looked at")

    def look(self) -> None:
        """Asks everybody once."""
        records = self._registry.view.plugins
        for key in self._known.keys() - records.keys():
            del self._known[key]
        for key, record in records.items():
            if self._over.is_set():
                return
            if record.generation is None or record.generation.hold is not None:
                continue
            self._compare(key, record, self._probe.health(record))

    def _compare(self, key: str, record: PluginRecord, health: dict[str, Any]) -> None:
        status = health["status"]
        before = self._known.get(key, "healthy")
        if status not in _LEVELS:
            return
        self._known[key] = status
        if status == before:
            return
        more = f": {health['message']}" if health["message"] else ""
        if status == "healthy":
            more = " again"
        hint = None if status == "healthy" else "`sysctl plugins health` shows its components"
        message = f"{record.name} is {status}{more}"
        self._tell(_LEVELS[status], message, hint=hint, plugin=record.name)
