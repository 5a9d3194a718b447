"""Decides what becomes of changed plugins: what is tried together, what is kept for later."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.pending import Pending, Refused
from devserver.reload.recorder import Cause, Recorder
from devserver.runtime.system import PluginSystem

NOT_YET = object()
"""Stands where an outcome would: the batch may be the first half of something."""


class Judge:
    """Makes attempts, records them, and keeps what was refused. `settings()` gives those in
    force."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        catalog: Catalog,
        attempts: Attempts,
        recorder: Recorder,
        pending: Pending,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._attempts = attempts
        self._recorder = recorder
        self._pending = pending
        self._settings = settings

    def judge(
        self,
        readings: Mapping[str, Reading],
        cause: Cause,
        *,
        force: bool = False,
        patient: bool = False,
    ) -> Any:
        """Tries the readings together with refused ones that belong to them, then alone. Gives
        the outcome, or while `patient` NOT_YET for what validation refuses."""
        main = self._main(readings)
        settings = self._settings()
        self._recorder.started(sorted(readings), cause.trigger, cause.paths)
        related = self._related(readings)
        if related:
            both = {**related, **readings}
            together = self._attempts.make(both, main=main, settings=settings, force=force)
            if together.result is Result.RELOADED:
                return self._settle(together, both, main, cause)
        alone = self._attempts.make(readings, main=main, settings=settings, force=force)
        if patient and alone.result is Result.REJECTED:
            return NOT_YET
        return self._settle(alone, readings, main, cause)

    def retry(self) -> None:
        """Tries again what is due by the clock."""
        due = self._pending.due(time.monotonic())
        if not due:
            return
        first = due[0]
        keys = {k for k in first.companions if k in self._pending} | {first.reading.key}
        batch = {k: r.reading for k in keys if (r := self._pending.find(k)) is not None}
        main = self._main(batch)
        attempt = self._attempts.make(batch, main=main, settings=self._settings())
        cause = Cause(
            trigger="retry",
            arrived=time.monotonic(),
            paths=first.outcome.changes if first.outcome is not None else (),
            number=first.attempts + 1,
            amends=first.outcome,
        )
        self._settle(attempt, batch, main, cause)

    def _related(self, readings: Mapping[str, Reading]) -> dict[str, Reading]:
        """Refused plugins that belong to `readings`, as they are on disk now."""
        keys = self._pending.related(readings, self._catalog.graph)
        fresh = {key: self._catalog.read(key) for key in keys}
        view = self._system.registry.view
        return {k: r for k, r in fresh.items() if not r.is_like(view.generation(k))}

    def _main(self, readings: Collection[str]) -> str:
        """The plugin that an outcome is told for: the lowest dependency among those changed."""
        below = self._catalog.graph
        own = set(readings)
        return min(readings, key=lambda k: (bool(below.all_dependencies([k]) & own), k))

    def _settle(
        self, attempt: Attempt, readings: Mapping[str, Reading], main: str, cause: Cause
    ) -> Outcome:
        """Records an attempt, keeps what was refused, and frees who waited for what now serves."""
        outcome = self._recorder.record(
            attempt, readings, main=main, cause=cause, settings=self._settings()
        )
        if attempt.result is Result.RELOADED:
            self._pending.forget(readings)
            self._free_waiting(outcome)
            return outcome
        retry_at = self._retry_time(attempt, cause)
        self._pending.refuse(
            Refused(
                reading=reading,
                companions=frozenset(readings),
                outcome=outcome,
                attempts=cause.number,
                retry_at=retry_at,
            )
            for reading in readings.values()
        )
        return outcome

    def _retry_time(self, attempt: Attempt, cause: Cause) -> float | None:
        safety = self._settings().safety
        automatic = cause.trigger in ("file", "retry") and attempt.ended.retry
        if not automatic or cause.number >= safety.max_reload_attempts:
            return None
        return time.monotonic() + safety.cooldown_period

    def _free_waiting(self, outcome: Outcome) -> None:
        """Plugins that could not start because a dependency was missing are tried now."""
        view = self._system.registry.view
        waiting = self._pending.waiting_for(
            map(normalise, outcome.reloaded), lambda k: view.generation(k) is not None
        )
        for key, reading in waiting.items():
            fresh = self._catalog.read(key)
            self.judge(
                {key: fresh if fresh.candidate is not None else reading},
                Cause(trigger="dependency", arrived=time.monotonic()),
            )
