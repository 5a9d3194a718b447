"""The single writer: takes every command from the queue and decides what becomes of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from devserver.core.changes import ChangeBatch
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.intake import Intake
from devserver.reload.pending import Pending, Refused
from devserver.reload.queue import (
    FilesChanged,
    LoadAll,
    Queued,
    ReloadPlugins,
    ReloadQueue,
    Rescan,
)
from devserver.reload.recorder import Cause, Recorder
from devserver.reload.startup import load_each
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.reload")


_PATIENCE = 0.1  # seconds that a batch is put off which looks like the first half of something
_LONGEST_PATIENCE = 0.5  # seconds after which it is judged as it is, whatever still arrives
_NOT_YET = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Postponed:
    """A batch that was put off at `first` and is judged at `due`, or together with the next."""

    queued: Queued
    first: float
    due: float


class Reloader:
    """Owns the thread `reloader`. `settings()` gives those in force."""

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        queue: ReloadQueue,
        catalog: Catalog,
        attempts: Attempts,
        recorder: Recorder,
        intake: Intake,
        pending: Pending,
        settings: Callable[[], Settings],
    ) -> None:
        self._project = project
        self._system = system
        self._queue = queue
        self._catalog = catalog
        self._attempts = attempts
        self._recorder = recorder
        self._settings = settings
        self._intake = intake
        self._pending = pending
        self._postponed: _Postponed | None = None
        self._thread = threading.Thread(target=self._run, name="reloader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Takes nothing more in and waits for what runs, `timeout` seconds at most."""
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if self._postponed is not None:
            self._postponed.queued.answer.cancel()

    def _run(self) -> None:
        while not self._queue.closed:
            queued = self._queue.take(self._time_left())
            if queued is not None:
                self._answer(queued)
            elif not self._queue.closed:
                self._clock_struck()

    def _time_left(self) -> float | None:
        """Seconds until something is due by the clock."""
        postponed = None if self._postponed is None else self._postponed.due
        times = [t for t in (self._pending.next_time(), postponed) if t is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _clock_struck(self) -> None:
        postponed = self._postponed
        if postponed is not None and postponed.due <= time.monotonic():
            self._answer(postponed.queued)
        else:
            self._retry()

    def _answer(self, queued: Queued) -> None:
        try:
            answer = self._carry_out(queued)
        except Exception as error:  # noqa: BLE001 - the one writer must outlive a fault of ours
            _log.exception("internal error; nothing was changed")
            queued.answer.set_exception(error)
        else:
            if answer is not _NOT_YET:
                queued.answer.set_result(answer)

    def _carry_out(self, queued: Queued) -> Any:
        match queued.command:
            case FilesChanged():
                return self._files_changed(queued)
            case ReloadPlugins() as command:
                return self._reload(command, queued.arrived)
            case Rescan():
                batch = ChangeBatch(paths=frozenset(), first_seen=queued.arrived, complete=True)
                return self._judge_files(batch, queued.arrived, patient=False)
            case LoadAll():
                return self._load_all()

    # -- the start ------------------------------------------------------------------------------

    def _load_all(self) -> None:
        problems = self._catalog.configuration.read()
        for problem in problems:
            self._recorder.notice("error", problem.message, hint=problem.hint)
        readings = {key: self._catalog.read(key) for key in self._catalog.discover()}
        refused = load_each(
            readings,
            catalog=self._catalog,
            attempts=self._attempts,
            recorder=self._recorder,
            settings=self._settings(),
        )
        self._pending.refuse(refused)
        self._system.registry.publish(edges=self._catalog.edges())

    # -- files ----------------------------------------------------------------------------------

    def _files_changed(self, queued: Queued) -> Any:
        """Judges a batch, together with one that was put off."""
        first = time.monotonic()
        if self._postponed is not None and self._postponed.queued is not queued:
            first = self._postponed.first
            queued.join(self._postponed.queued)
        due = self._postponed is not None and self._postponed.queued is queued
        self._postponed = None
        batch = cast(FilesChanged, queued.command).batch
        patient = not due and time.monotonic() - first < _LONGEST_PATIENCE
        answer = self._judge_files(batch, queued.arrived, patient=patient)
        if answer is _NOT_YET:
            now = time.monotonic()
            self._postponed = _Postponed(queued=queued, first=first, due=now + _PATIENCE)
        return answer

    def _judge_files(self, batch: ChangeBatch, arrived: float, *, patient: bool) -> Any:
        """The outcome, None when nothing was to be done, or _NOT_YET while `patient` when it
        looks like the first half of something: a plugin that vanished may be back in a moment,
        and what is refused may be completed."""
        changed = self._intake.changed(batch)
        if not changed:
            return None
        paths = tuple(sorted(self._project.relative(p) for p in batch.paths))
        if not self._settings().reloads_automatically:
            self._intake.list_as_pending(changed)
            return None
        if patient and any(r.candidate is None for r in changed.values()):
            return _NOT_YET
        cause = Cause(trigger="file", arrived=arrived, paths=paths)
        return self._apply(changed, cause, patient=patient)

    # -- asked for ------------------------------------------------------------------------------

    def _reload(self, command: ReloadPlugins, arrived: float) -> Any:
        self._catalog.configuration.read()
        self._catalog.discover()
        readings = {key: self._catalog.read(key) for key in command.keys}
        cause = Cause(trigger=command.trigger, arrived=arrived)
        return self._apply(readings, cause, force=command.force)

    def _retry(self) -> None:
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

    # -- one change ---------------------------------------------------------------------------

    def _apply(
        self,
        readings: Mapping[str, Reading],
        cause: Cause,
        *,
        force: bool = False,
        patient: bool = False,
    ) -> Any:
        """Tries the readings together with refused ones that belong to them, then alone."""
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
            return _NOT_YET
        return self._settle(alone, readings, main, cause)

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
            self._apply(
                {key: fresh if fresh.candidate is not None else reading},
                Cause(trigger="dependency", arrived=time.monotonic()),
            )
