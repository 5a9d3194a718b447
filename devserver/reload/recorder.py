"""Keeps what came of attempts: outcomes, records and feed events."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DatabaseUnavailable
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result, Step
from devserver.core.secrets import masked
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Reading
from devserver.reload.cause import Cause
from devserver.reload.disposal import Disposer
from devserver.reload.journal import Journal
from devserver.reload.masking import mask_attempt, secrets_of
from devserver.reload.outcomes import outcome_of, refusal_of_file
from devserver.reload.progress import Ended
from devserver.runtime.generation import Generation
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem

_LONG_WAIT = 1.0
"""Seconds without a step that are told."""


class Recorder:
    """Tells the world what the reloader did; the only one that writes journal and records
    outside of a commit."""

    def __init__(self, *, system: PluginSystem, journal: Journal, disposer: Disposer) -> None:
        self._system = system
        self._journal = journal
        self._disposer = disposer

    def started(self, keys: list[str], trigger: str, paths: tuple[str, ...]) -> None:
        """A transaction over `keys` begins."""
        self._journal.tell("started", plugins=keys, trigger=trigger, changes=list(paths))

    def notice(
        self, level: str, message: str, *, hint: str | None = None, plugin: str | None = None
    ) -> None:
        """A line worth reading that is no outcome."""
        self._journal.tell("notice", level=level, message=message, hint=hint, plugin=plugin)

    def publish(self, *records: PluginRecord) -> None:
        """Publishes records and tells that they changed."""
        self._system.registry.publish(*records)
        self._journal.tell("plugins", plugins=[r.name for r in records])

    def remove(self, record: PluginRecord) -> None:
        """A plugin that never served is gone from disk."""
        self._system.registry.publish(remove=(record.key,))
        self._journal.tell("plugins", plugins=[record.name])
        self.notice("info", f"{record.name}: gone, as its folder is")

    def loaded(self, attempt: Attempt) -> None:
        """Plugins were loaded at the start: no outcome, the page reads them anew."""
        self._journal.tell("plugins", plugins=[g.name for g in attempt.ended.live])
        for note in attempt.ended.notes:
            self.notice("warning", note)

    def refuse_file(self, found: Diagnostic, names: Sequence[str], arrived: float) -> Outcome:
        """A file that configures the plugins `names` is of no use: what it said before stays."""
        view = self._system.registry.view
        return self._journal.record(refusal_of_file(found, names, arrived, view=view))

    def kept(self, attempt: Attempt) -> None:
        """What runs is what is on disk, though something about it was saved."""
        mask_attempt(attempt, self._system.secrets.of(attempt.order))
        self._keep_warnings(attempt)
        self._journal.tell("plugins", plugins=[g.name for g in attempt.ended.reconfigured])

    def record(
        self,
        attempt: Attempt,
        readings: Mapping[str, Reading],
        *,
        main: str,
        cause: Cause,
        settings: Settings,
    ) -> Outcome:
        """Keeps the outcome of an attempt and marks refused plugins."""
        if (told := _waited(attempt, cause)) is not None:
            attempt.ended.notes.append(told)
        known = self._system.secrets
        mask_attempt(attempt, secrets_of(readings.values(), attempt.order, known))
        outcome = outcome_of(
            attempt, readings, main=main, cause=cause, view=self._system.registry.view
        )
        if attempt.result.success:
            outcome = replace(outcome, notes=(*cause.notes, *outcome.notes))
        if cause.number > 1:
            note = f"attempt {cause.number} of {settings.safety.max_reload_attempts}"
            outcome = replace(outcome, notes=(*outcome.notes, note))
        if attempt.result is not Result.RELOADED:
            self._mark_refused(attempt, readings)
        elif attempt.diagnostics:
            self._keep_warnings(attempt)
        if cause.amends is None:
            outcome = self._journal.record(outcome)
        else:
            outcome = replace(outcome, id=cause.amends.id, time=time.time())
            self._journal.amend(outcome, tell=outcome.success)
        self._journal.tell("plugins", plugins=list(outcome.plugins))
        return outcome

    def back_up(self, ended: Ended, settings: Settings) -> Settings:
        """Writes down the state of what goes, and has the outcome tell where; gives the settings
        with which it is let go of then: it need not be written once more."""
        written, troubles = self._disposer.back_up(ended.gone, timeout=settings.reload.timeout)
        ended.backups = tuple(map(self._system.project.relative, written))
        ended.notes += [f"state written to {path}" for path in ended.backups]
        ended.notes += troubles
        done = settings.reload.model_copy(update={"backup_state": False})
        return settings.model_copy(update={"reload": done})

    def not_kept(self, outcome: Outcome, problem: DatabaseUnavailable) -> Outcome:
        """Tells of an outcome that the operator's word was not kept; the outcome as it is now."""
        outcome = outcome.for_this_run(problem.message)
        self._journal.amend(outcome)
        return outcome

    def _mark_refused(self, attempt: Attempt, readings: Mapping[str, Reading]) -> None:
        view = self._system.registry.view
        for key, reading in readings.items():
            known = view.find(key)
            own = _of_plugin(attempt.diagnostics, key, alone=len(readings) == 1)
            reason = attempt.ended.error or "refused"
            if known is not None and known.generation is not None:
                number = known.generation.number
                record = replace(
                    known,
                    diagnostics=own,
                    pending=True,
                    reason=f"g{number} serves; what is on disk is refused: {reason}",
                )
            else:
                base = known or PluginRecord(
                    name=reading.name, status=PluginStatus.FAILED, reason=reason
                )
                if reading.candidate is not None:
                    base = replace(base, manifest=reading.candidate.manifest)
                record = replace(
                    base,
                    status=PluginStatus.FAILED,
                    reason=reason,
                    diagnostics=own,
                    pending=True,
                )
            self._system.registry.publish(record)

    def _keep_warnings(self, attempt: Attempt) -> None:
        view = self._system.registry.view
        for generation in (*attempt.ended.live, *attempt.ended.reconfigured):
            record = view.find(generation.key)
            own = _of_plugin(attempt.diagnostics, generation.key, alone=False)
            if record is not None and own:
                self._system.registry.publish(replace(record, diagnostics=own))

    def let_go(
        self, generations: Sequence[Generation], outcome: Outcome, settings: Settings
    ) -> Future[Outcome]:
        """Disposes of generations (dependencies first); what comes of it is added to the
        outcome, which the future gives then."""

        secrets = self._system.secrets.of(generation.key for generation in generations)
        told: Future[Outcome] = Future()

        def done(step: Step, troubles: list[str]) -> None:
            troubles = [masked(trouble, secrets) for trouble in troubles]
            notes = (*outcome.notes, *(f"while letting go: {t}" for t in troubles))
            whole = replace(outcome.with_steps(step), notes=notes)
            self._journal.amend(whole)
            told.set_result(whole)
            self._journal.tell("disposed", outcome=outcome.id, step=step.to_json())
            for trouble in troubles:
                self.notice("warning", trouble, plugin=outcome.plugin)

        self._disposer.dispose(
            generations,
            timeout=settings.reload.timeout,
            drain_timeout=settings.reload.drain_timeout,
            on_done=done,
            backup=settings.reload.backup_state,
        )
        return told


def _of_plugin(
    diagnostics: tuple[Diagnostic, ...], key: str, *, alone: bool
) -> tuple[Diagnostic, ...]:
    """Those about one plugin; all of them when it was the only one of its batch."""
    if alone:
        return diagnostics
    return tuple(d for d in diagnostics if d.plugin is None or normalise(d.plugin) == key)


def _waited(attempt: Attempt, cause: Cause) -> str | None:
    """What there is to say of time that no step accounts for."""
    own = sum(step.ms for step in attempt.watch.steps if step.plugin is None)
    seconds = time.monotonic() - cause.arrived - own / 1000
    if cause.trigger == "start" or seconds < _LONG_WAIT:
        return None
    return f"{seconds:.1f} s of this passed before it was its turn"
