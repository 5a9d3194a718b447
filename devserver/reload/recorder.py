"""Turns attempts into outcomes, records and feed events."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DatabaseUnavailable
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result, Step
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Reading
from devserver.reload.disposal import Disposer
from devserver.reload.journal import Journal
from devserver.reload.masking import mask_attempt, secrets_of
from devserver.reload.progress import Ended
from devserver.runtime.generation import Generation
from devserver.runtime.registry import PluginRecord
from devserver.runtime.secrets import masked
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.reload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why an attempt is made. `trigger` is file, api, cli, start, dependency, retry, probation,
    rollback or config; `arrived` the monotonic second at which it was asked for; `paths` what
    changed, relative to the project. `number` counts attempts at the same content; with `amends`
    (the outcome of an earlier one) that entry is changed instead of a new one being made. `aside`:
    what is tried is not on disk, so that nothing is left of it when it fails. `notes` go into the
    outcome when it goes well. With `backup_state` the state of what goes is written down."""

    trigger: str
    arrived: float
    paths: tuple[str, ...] = ()
    number: int = 1
    amends: Outcome | None = None
    aside: bool = False
    notes: tuple[str, ...] = ()
    backup_state: bool = False


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
        main = names[0] if names else ""
        return self._journal.record(
            Outcome(
                plugin=main,
                plugins=tuple(names),
                result=Result.REJECTED,
                message=f"{found.file} was not applied: {found.message}",
                changes=(str(found.file),),
                generation=self._generation(main),
                previous_generation=self._generation(main),
                serving={n: g.number for n in names if (g := view.generation(n)) is not None},
                duration_ms=(time.monotonic() - arrived) * 1000,
                diagnostics=(found,),
                error=found.message,
            )
        )

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
        before = self._generation(main) if attempt.result is not Result.RELOADED else None
        outcome = self._outcome(attempt, main, cause, readings)
        if attempt.result.success:
            outcome = replace(outcome, notes=(*cause.notes, *outcome.notes))
        if cause.number > 1:
            note = f"attempt {cause.number} of {settings.safety.max_reload_attempts}"
            outcome = replace(outcome, notes=(*outcome.notes, note))
        if attempt.result is not Result.RELOADED:
            outcome = replace(outcome, previous_generation=before or 0)
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

    def _generation(self, key: str) -> int:
        generation = self._system.registry.view.generation(key)
        return 0 if generation is None else generation.number

    def _outcome(
        self, attempt: Attempt, main: str, cause: Cause, readings: Mapping[str, Reading]
    ) -> Outcome:
        names = {k: self._name(k, attempt, readings) for k in (*attempt.order, main)}
        view = self._system.registry.view
        ended = attempt.ended
        live = {g.key: g for g in ended.live}
        gone = {g.key: g for g in ended.gone}
        if not attempt.result.success:
            live, gone = {}, {}
        stays = {g.key: g for g in ended.reconfigured}
        now = view.find(main)
        # Without those that stay as they are, whatever becomes of the plugin.
        routes_before = sum(len(g.routes) for k, g in gone.items() if view.answering(k) is not g)
        routes_after = sum(len(g.routes) for k, g in live.items() if view.answering(k) is g)
        return Outcome(
            plugin=names[main],
            plugins=tuple(names[k] for k in attempt.order),
            result=attempt.result,
            message=_message(attempt, names[main], main in live or main not in gone),
            trigger=cause.trigger,
            changes=cause.paths,
            reloaded=tuple(live[k].name for k in attempt.order if k in live),
            removed=tuple(gone[k].name for k in attempt.order if k in gone and k not in live),
            generation=0 if now is None or now.generation is None else now.generation.number,
            previous_generation=(stays | gone)[main].number if main in stays | gone else 0,
            serving={names[k]: self._generation(k) for k in attempt.order if self._generation(k)},
            duration_ms=(time.monotonic() - cause.arrived) * 1000,
            steps=tuple(attempt.watch.steps),
            diagnostics=attempt.diagnostics,
            state=ended.state,
            routes_before=routes_before,
            routes_after=routes_after,
            notes=tuple(ended.notes),
            error=ended.error,
            backups=ended.backups,
            deed=attempt.deed or ("removed" if main in gone and main not in live else ""),
        )

    def _name(self, key: str, attempt: Attempt, readings: Mapping[str, Reading]) -> str:
        """As the folder spells it, also of what has never run."""
        for generation in (*attempt.ended.live, *attempt.ended.gone):
            if generation.key == key:
                return generation.name
        record = self._system.registry.view.find(key)
        if record is not None:
            return record.name
        return readings[key].name if key in readings else key

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


def _message(attempt: Attempt, name: str, stays: bool) -> str:
    match attempt.result:
        case Result.RELOADED if attempt.deed:
            return f"Plugin {name} {attempt.deed} successfully"
        case Result.RELOADED if not stays:
            return f"Plugin {name} removed"
        case Result.RELOADED:
            return f"Plugin {name} reloaded successfully"
        case Result.REJECTED:
            return f"Plugin {name} was not reloaded: {attempt.ended.error}"
        case _:
            return f"Plugin {name} was rolled back: {attempt.ended.error}"
