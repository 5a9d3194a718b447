"""Turns attempts into outcomes, records and feed events."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from devserver.core.diagnostics import Diagnostic
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result, Step
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Reading
from devserver.reload.disposal import Disposer
from devserver.reload.journal import Journal
from devserver.runtime.generation import Generation
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.reload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why an attempt is made. `trigger` is file, api, cli, start, dependency or retry; `arrived`
    the monotonic second at which it was asked for; `paths` what changed, relative to the
    project. `number` counts attempts at the same content; with `amends` (the outcome of an
    earlier one) that entry is changed instead of a new one being made."""

    trigger: str
    arrived: float
    paths: tuple[str, ...] = ()
    number: int = 1
    amends: Outcome | None = None


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
        before = self._generation(main) if attempt.result is not Result.RELOADED else None
        outcome = self._outcome(attempt, main, cause)
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

    def _generation(self, key: str) -> int:
        generation = self._system.registry.view.generation(key)
        return 0 if generation is None else generation.number

    def _outcome(self, attempt: Attempt, main: str, cause: Cause) -> Outcome:
        view = self._system.registry.view
        ended = attempt.ended
        live = {g.key: g for g in ended.live}
        gone = {g.key: g for g in ended.gone}
        if not attempt.result.success:
            live, gone = {}, {}
        now = view.find(main)
        routes_before = sum(len(g.routes) for g in gone.values())
        routes_after = sum(len(g.routes) for g in live.values())
        return Outcome(
            plugin=self._name(main, attempt),
            plugins=tuple(self._name(k, attempt) for k in attempt.order),
            result=attempt.result,
            message=_message(attempt, self._name(main, attempt), main in live or main not in gone),
            trigger=cause.trigger,
            changes=cause.paths,
            reloaded=tuple(live[k].name for k in attempt.order if k in live),
            removed=tuple(gone[k].name for k in attempt.order if k in gone and k not in live),
            generation=0 if now is None or now.generation is None else now.generation.number,
            previous_generation=gone[main].number if main in gone else 0,
            serving={
                self._name(k, attempt): self._generation(k)
                for k in attempt.order
                if self._generation(k)
            },
            duration_ms=(time.monotonic() - cause.arrived) * 1000,
            steps=tuple(attempt.watch.steps),
            diagnostics=attempt.diagnostics,
            state=ended.state,
            routes_before=routes_before,
            routes_after=routes_after,
            notes=tuple(ended.notes),
            error=ended.error,
            deed=attempt.deed or ("removed" if main in gone and main not in live else ""),
        )

    def _name(self, key: str, attempt: Attempt) -> str:
        for generation in (*attempt.ended.live, *attempt.ended.gone):
            if generation.key == key:
                return generation.name
        record = self._system.registry.view.find(key)
        return key if record is None else record.name

    def _mark_refused(self, attempt: Attempt, readings: Mapping[str, Reading]) -> None:
        view = self._system.registry.view
        for key, reading in readings.items():
            known = view.find(key)
            name = reading.candidate.name if reading.candidate is not None else key
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
                base = known or PluginRecord(name=name, status=PluginStatus.FAILED, reason=reason)
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
        for generation in attempt.ended.live:
            record = view.find(generation.key)
            own = _of_plugin(attempt.diagnostics, generation.key, alone=False)
            if record is not None and own:
                self._system.registry.publish(replace(record, diagnostics=own))

    def let_go(
        self, generations: Sequence[Generation], outcome: Outcome, settings: Settings
    ) -> None:
        """Disposes of generations (dependencies first); what comes of it is added to the
        outcome."""

        def done(step: Step, troubles: list[str]) -> None:
            notes = (*outcome.notes, *(f"while letting go: {t}" for t in troubles))
            self._journal.amend(replace(outcome.with_steps(step), notes=notes))
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


def _of_plugin(
    diagnostics: tuple[Diagnostic, ...], key: str, *, alone: bool
) -> tuple[Diagnostic, ...]:
    """Those about one plugin; all of them when it was the only one of its batch."""
    if alone:
        return diagnostics
    return tuple(d for d in diagnostics if d.plugin is None or normalise(d.plugin) == key)


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
