"""Decides what becomes of changed plugins: what is tried together, what is kept for later."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.pending import Pending, Refused
from devserver.reload.probation import Period, Probation
from devserver.reload.progress import Ended
from devserver.reload.queue import ProbationFailed
from devserver.reload.recorder import Cause, Recorder
from devserver.reload.reinstatement import reinstate
from devserver.reload.steps import Stopwatch
from devserver.reload.trial import Superseded
from devserver.reload.withdrawal import withdraw
from devserver.runtime.registry import SystemView
from devserver.runtime.system import PluginSystem
from devserver.runtime.tracebacks import diagnostic_for

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
        probation: Probation,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._attempts = attempts
        self._recorder = recorder
        self._pending = pending
        self._probation = probation
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
        before = self._system.registry.view
        related = self._related(readings)
        if related:
            both = {**related, **readings}
            together = self._attempts.make(both, main=main, settings=settings, force=force)
            if together.result is Result.RELOADED:
                return self._settle(together, both, main, cause, before)
        alone = self._attempts.make(readings, main=main, settings=settings, force=force)
        if patient and alone.result is Result.REJECTED:
            return NOT_YET
        return self._settle(alone, readings, main, cause, before)

    def retry(self) -> None:
        """Tries again what is due by the clock."""
        due = self._pending.due(time.monotonic())
        if not due:
            return
        first = due[0]
        keys = {k for k in first.companions if k in self._pending} | {first.reading.key}
        batch = {k: r.reading for k in keys if (r := self._pending.find(k)) is not None}
        main = self._main(batch)
        before = self._system.registry.view
        attempt = self._attempts.make(batch, main=main, settings=self._settings())
        cause = Cause(
            trigger="retry",
            arrived=time.monotonic(),
            paths=first.outcome.changes if first.outcome is not None else (),
            number=first.attempts + 1,
            amends=first.outcome,
        )
        self._settle(attempt, batch, main, cause, before)

    def end_probation(self, command: ProbationFailed, arrived: float) -> Outcome | None:
        """Puts the old generations back that stood by; None when the probation is over."""
        period, failure = command.period, command.failure
        if not self._probation.take(period):
            return None
        message = f"on probation: {failure.message}"
        watch = Stopwatch()
        with watch.step("rollback"):
            notes = reinstate(
                period,
                system=self._system,
                catalog=self._catalog,
                settings=self._settings(),
                reason=message,
            )
        found = diagnostic_for(
            failure,
            code=failure.code,
            plugin=failure.plugin,
            message=message,
            source=next((g.source for g in period.live if g.name == failure.plugin), None),
            hint=failure.hint,
        )
        attempt = Attempt(
            result=Result.ROLLED_BACK,
            order=tuple(g.key for g in period.live),
            diagnostics=(found,),
            ended=Ended(committed=False, error=message, retry=True, notes=notes, gone=period.live),
            watch=watch,
        )
        cause = Cause(
            trigger="probation",
            arrived=arrived,
            paths=period.outcome.changes,
            number=period.attempts,
        )
        main = normalise(period.outcome.plugin)
        return self._settle(attempt, period.readings, main, cause, self._system.registry.view)

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
        self,
        attempt: Attempt,
        readings: Mapping[str, Reading],
        main: str,
        cause: Cause,
        before: SystemView,
    ) -> Outcome:
        """Records an attempt, keeps what was refused, and frees who waited for what now serves."""
        settings = self._settings()
        if attempt.result is Result.ROLLED_BACK and not settings.safety.rollback_on_failure:
            readings = {**self._leave_failed(attempt), **readings}
        stands_by = self._stands_by(attempt)
        outcome = self._recorder.record(
            attempt, readings, main=main, cause=cause, settings=settings
        )
        ended = attempt.ended
        if attempt.result is Result.RELOADED:
            self._probation.end(attempt.order)
        if stands_by:
            period = Period(
                outcome=outcome,
                live=ended.live,
                gone=ended.gone,
                before={k: before.plugins[k] for k in attempt.order if k in before.plugins},
                readings=readings,
                attempts=cause.number,
                seconds=settings.safety.probation_ms / 1000,
            )
            self._probation.begin(period)
        else:
            gone = (*ended.gone, *(f.generation for f in ended.fallen))
            self._recorder.let_go(gone, outcome, settings)
        ended.gone = ended.fallen = ()
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

    def _leave_failed(self, attempt: Attempt) -> dict[str, Reading]:
        """Takes the plugins of a failed attempt out of service, as the settings ask for; gives
        what ran, so that those that only came along are tried again with the rest."""
        gone = withdraw(
            self._system,
            attempt.order,
            status=PluginStatus.FAILED,
            reason=attempt.ended.error or "failed",
        )
        attempt.ended.gone = (*attempt.ended.gone, *gone)
        names = ", ".join(g.name for g in gone)
        attempt.ended.notes.append(f"safety.rollback_on_failure is false: {names} left failed")
        return {g.key: Reading(key=g.key, candidate=g.candidate, config=g.config) for g in gone}

    def _stands_by(self, attempt: Attempt) -> bool:
        """Whether the old generations of a committed attempt stand by while the new ones are on
        probation. One that was stopped for its successor cannot."""
        milliseconds = self._settings().safety.probation_ms
        ended = attempt.ended
        if not (milliseconds and ended.committed and ended.live and ended.gone):
            return False
        if any(g.stopped for g in ended.gone):
            ended.notes.append("no probation: the old version was stopped for its successor")
            return False
        ended.notes.append(f"on probation for {milliseconds} ms: the old version stands by")
        return True

    def _retry_time(self, attempt: Attempt, cause: Cause) -> float | None:
        safety = self._settings().safety
        automatic = cause.trigger in ("file", "retry", "probation") and attempt.ended.retry
        if not automatic or cause.number >= safety.max_reload_attempts:
            return None
        return time.monotonic() + safety.cooldown_period

    def _free_waiting(self, outcome: Outcome) -> None:
        """Plugins that could not start because a dependency was missing are tried now, and those
        that were only refused together with what now serves."""
        view = self._system.registry.view
        live = [normalise(name) for name in outcome.reloaded]
        waiting = self._pending.waiting_for(live, lambda k: view.generation(k) is not None)
        for key, reading in (waiting | self._pending.held_back(live)).items():
            if key not in self._pending:
                continue  # it went live with another one of them
            fresh = self._catalog.read(key)
            with contextlib.suppress(Superseded):  # the newer content comes by itself
                self.judge(
                    {key: fresh if fresh.candidate is not None else reading},
                    Cause(trigger="dependency", arrived=time.monotonic()),
                )
