"""Decides what becomes of changed plugins: what is tried together, what is kept for later."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from devserver.core.diagnostics import Diagnostic
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.cause import Cause
from devserver.reload.company import Company
from devserver.reload.desired import Desired
from devserver.reload.held import Held
from devserver.reload.overtaking import Superseded
from devserver.reload.pending import Pending, Refused
from devserver.reload.probation import Period, Probation, stands_by
from devserver.reload.progress import Ended
from devserver.reload.queue import ProbationFailed
from devserver.reload.recorder import Recorder
from devserver.reload.reinstatement import reinstate
from devserver.reload.retrying import may_be_half, retry_time
from devserver.reload.steps import Stopwatch
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
        desired: Desired,
        held: Held,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._attempts = attempts
        self._recorder = recorder
        self._pending = pending
        self._company = Company(system=system, catalog=catalog, pending=pending)
        self._probation = probation
        self._desired = desired
        self._held = held
        self._settings = settings
        self.load_needed: Callable[[Mapping[str, Reading]], None] = lambda _: None
        """Loads what readings need and what is not loaded yet."""
        self.went_live: Callable[[Collection[str]], None] = lambda _: None
        """Told of plugins that serve with other content now, or are gone."""

    def judge(
        self,
        readings: Mapping[str, Reading],
        cause: Cause,
        *,
        force: bool = False,
        patient: bool = False,
        settled: Collection[str] = (),
        asked: bool = False,
    ) -> Any:
        """Tries the readings together with refused ones that belong to them, but for those of
        `settled`, which stand at what runs of them; then alone. Gives the outcome, None where
        nothing came of it, or while `patient` NOT_YET for what is refused before it has run here.
        With `asked` plugins are reloaded though nothing but their configuration has changed.

        Raises Superseded when it made way for what waits; nothing has been touched.
        """
        self.load_needed(readings)
        main = self._main(readings)
        settings = self._settings()
        self._recorder.started(sorted(readings), cause.trigger, cause.paths)
        before = self._system.registry.view
        related = self._company.of(readings, settled)
        if related:
            both = {**related, **readings}
            together = self._attempts.make(
                both,
                main=main,
                settings=self._company.settings_for(related, settings),
                force=force,
                company=related.keys(),
                asked=asked,
            )
            if together.result.success:
                return self.settle(together, both, main, cause, before)
        alone = self._attempts.make(
            readings, main=main, settings=settings, force=force, asked=asked
        )
        if patient and may_be_half(alone):
            return NOT_YET
        return self.settle(alone, readings, main, cause, before)

    def judge_aside(
        self, reading: Reading, cause: Cause, judged: tuple[Diagnostic, ...] | None
    ) -> Outcome | None:
        """Tries something that is not on disk, so that nothing of it is tried again: with code
        that serves, `judged` are the findings on the rest; None for an ordinary validation."""
        key = reading.key
        self.load_needed({key: reading})
        self._recorder.started([key], cause.trigger, cause.paths)
        before = self._system.registry.view
        attempt = self._attempts.make(
            {key: reading},
            main=key,
            settings=self._settings(),
            judged=judged,
            tried_out=judged is not None,
        )
        return self.settle(attempt, {key: reading}, key, cause, before)

    def retry(self) -> None:
        """Tries again what is due by the clock.

        Raises Superseded when it made way for what waits; it is still due.
        """
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
        self.settle(attempt, batch, main, cause, before)

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
        return self.settle(attempt, period.readings, main, cause, self._system.registry.view)

    def _main(self, readings: Collection[str]) -> str:
        """The plugin that an outcome is told for: the lowest dependency among those changed."""
        below = self._catalog.graph
        own = set(readings)
        return min(readings, key=lambda k: (bool(below.all_dependencies([k]) & own), k))

    def settle(
        self,
        attempt: Attempt,
        readings: Mapping[str, Reading],
        main: str,
        cause: Cause,
        before: SystemView,
    ) -> Outcome | None:
        """Records an attempt, keeps what was refused, and frees who waited for what now serves.
        None for one that changed nothing that anybody could see."""
        settings = self._settings()
        stays_failed = not (settings.safety.rollback_on_failure or cause.aside)
        if attempt.result is Result.ROLLED_BACK and stays_failed:
            readings = {**self._leave_failed(attempt), **readings}
        ended = attempt.ended
        is_watched = stands_by(ended, settings.safety.probation_ms)
        if attempt.result.success:
            self._held.went_live(ended.live, good=not is_watched)
            self._held.went_live(ended.reconfigured)
        if attempt.result is Result.UNCHANGED:
            self._pending.forget(readings)
            self._recorder.kept(attempt)
            return None
        if cause.backup_state and attempt.result is Result.RELOADED:
            settings = self._recorder.back_up(ended, settings)
        outcome = self._recorder.record(
            attempt, readings, main=main, cause=cause, settings=settings
        )
        if attempt.result is Result.RELOADED:
            self._probation.end(attempt.order)
        if is_watched:
            period = Period(
                outcome=outcome,
                live=ended.live,
                gone=ended.gone,
                before={k: before.plugins[k] for k in attempt.order if k in before.plugins},
                readings=readings,
                overrides=ended.overrides_before,
                attempts=cause.number,
                seconds=settings.safety.probation_ms / 1000,
            )
            self._probation.begin(period)
        else:
            gone = (*ended.gone, *(f.generation for f in ended.fallen))
            self._recorder.let_go(gone, outcome, settings)
        ended.gone = ended.fallen = ()
        if attempt.result is Result.RELOADED:
            self._went_live(attempt, readings, cause)
            self._free_waiting(outcome)
        else:
            self._refuse(attempt, readings, cause, outcome, settings)
        return outcome

    def _went_live(self, attempt: Attempt, readings: Mapping[str, Reading], cause: Cause) -> None:
        plugins = self._system.registry.view.plugins
        self._desired.see(plugins[key] for key in attempt.order if key in plugins)
        self._pending.forget(readings)
        if cause.trigger != "use":  # then it is what it was known to be
            self.went_live(readings.keys())

    def _refuse(
        self,
        attempt: Attempt,
        readings: Mapping[str, Reading],
        cause: Cause,
        outcome: Outcome,
        settings: Settings,
    ) -> None:
        retry_at = retry_time(attempt, cause, settings)
        self._pending.refuse(
            Refused(
                reading=replace(reading, anew=False),
                companions=frozenset(readings),
                outcome=outcome,
                attempts=cause.number - attempt.gave_up,
                retry_at=retry_at,
            )
            for reading in readings.values()
        )

    def _leave_failed(self, attempt: Attempt) -> dict[str, Reading]:
        """Takes the plugins of a failed attempt out of service, as the settings ask for; gives
        what ran, so that those that only came along are tried again with the rest."""
        keys = [key for key in attempt.order if key not in attempt.staying]
        if not keys:
            return {}
        gone = withdraw(
            self._system,
            keys,
            status=PluginStatus.FAILED,
            reason=attempt.ended.error or "failed",
        )
        attempt.ended.gone = (*attempt.ended.gone, *gone)
        names = ", ".join(g.name for g in gone)
        attempt.ended.notes.append(f"safety.rollback_on_failure is false: {names} left failed")
        return {g.key: Reading(key=g.key, candidate=g.candidate, config=g.config) for g in gone}

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
            try:
                self.judge(
                    {key: fresh if fresh.candidate is not None else reading},
                    Cause(trigger="dependency", arrived=time.monotonic()),
                )
            except Superseded:
                self._pending.try_anew(key)
