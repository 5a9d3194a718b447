"""The first load: every plugin that is to serve."""

from __future__ import annotations

from collections.abc import Callable

from devserver.core.settings import Settings
from devserver.reload.attempt import Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.desired import Desired
from devserver.reload.held import Held
from devserver.reload.lazy import LazyLoading
from devserver.reload.pending import Pending
from devserver.reload.recorder import Recorder
from devserver.reload.startup import load_each
from devserver.runtime.system import PluginSystem


class FirstLoad:
    """Failed plugins are told, not raised. `settings()` gives those in force."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        catalog: Catalog,
        attempts: Attempts,
        recorder: Recorder,
        pending: Pending,
        desired: Desired,
        held: Held,
        lazy: LazyLoading,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._attempts = attempts
        self._recorder = recorder
        self._pending = pending
        self._desired = desired
        self._held = held
        self._lazy = lazy
        self._settings = settings

    def run(self) -> None:
        """Loads every plugin that is to serve, each on its own; with `loading.lazy` none that could
        wait for its first use."""
        problems = self._catalog.configuration.read()
        for problem in problems:
            text = f"{problem.location}: {problem.message}"
            self._recorder.notice("error", text, hint=problem.hint)
        readings = self._wanted({k: self._catalog.read(k) for k in self._catalog.discover()})
        readings = self._lazy.register(readings)
        with self._system.bus.gathering():
            refused = load_each(
                readings,
                catalog=self._catalog,
                attempts=self._attempts,
                recorder=self._recorder,
                settings=self._settings(),
            )
        self._pending.refuse(refused)
        self._system.registry.publish(edges=self._catalog.edges())
        records = self._system.registry.view.plugins.values()
        self._held.went_live(r.generation for r in records if r.generation is not None)
        self._tell(self._desired.see(records))

    def _wanted(self, readings: dict[str, Reading]) -> dict[str, Reading]:
        """Those that are to be loaded; the others are known all the same."""
        self._tell(self._desired.open())
        withheld = [k for k in readings if self._desired.withholds(k) and readings[k].candidate]
        for key in withheld:
            reading = readings.pop(key)
            self._catalog.put(key, reading.candidate)
            self._system.registry.publish(self._desired.record_of(reading))
        return readings

    def _tell(self, problem: str | None) -> None:
        if problem is not None:
            self._recorder.notice("warning", problem)
