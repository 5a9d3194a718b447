"""The single writer: takes every command from the queue and decides what becomes of it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from devserver.core.changes import ChangeBatch
from devserver.core.errors import DevServerError
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.intake import Intake
from devserver.reload.judge import NOT_YET, Judge
from devserver.reload.operator import Operator
from devserver.reload.pending import Pending
from devserver.reload.queue import (
    Enable,
    FilesChanged,
    LoadAll,
    ProbationFailed,
    Queued,
    ReloadPlugins,
    ReloadQueue,
    Rescan,
    Withdraw,
)
from devserver.reload.recorder import Cause, Recorder
from devserver.reload.startup import load_each
from devserver.reload.trial import Superseded
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.reload")


_PATIENCE = 0.1  # seconds that a batch is put off which looks like the first half of something
_LONGEST_PATIENCE = 1.0  # seconds after which it is judged as it is, whatever still arrives


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
        judge: Judge,
        operator: Operator,
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
        self._judge = judge
        self._operator = operator
        self._postponed: _Postponed | None = None
        self._looked_at: Mapping[str, Reading] = {}
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
            queued = None  # what was done is not held while nothing is to do

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
            with contextlib.suppress(Superseded):  # the newer content comes by itself
                self._judge.retry()

    def _answer(self, queued: Queued) -> None:
        try:
            answer = self._carry_out(queued)
        except Superseded:
            self._begin_anew(queued)
        except DevServerError as refusal:  # expected: whoever asked is told
            queued.answer.set_exception(refusal)
        except Exception as error:  # noqa: BLE001 - the one writer must outlive a fault of ours
            _log.exception("internal error; nothing was changed")
            queued.answer.set_exception(error)
        else:
            if answer is not NOT_YET:
                queued.answer.set_result(answer)

    def _begin_anew(self, queued: Queued) -> None:
        """What was tried has been saved anew: files are judged together with the newer batch,
        anything else is done with what is on disk now."""
        if isinstance(queued.command, FilesChanged):
            now = time.monotonic()
            self._postponed = _Postponed(queued=queued, first=now, due=now)
        else:
            self._answer(queued)

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
            case Withdraw() as command:
                return self._operator.withdraw(command, queued.arrived)
            case Enable() as command:
                return self._operator.enable(command, queued.arrived)
            case ProbationFailed() as command:
                return self._judge.end_probation(command, queued.arrived)

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
        first, due = time.monotonic(), False
        if self._postponed is not None:
            first = self._postponed.first
            if self._postponed.queued is queued:
                due = not self._is_still_written()
            else:
                queued.join(self._postponed.queued)
        self._postponed = None
        batch = cast(FilesChanged, queued.command).batch
        patient = not due and time.monotonic() - first < _LONGEST_PATIENCE
        answer = self._judge_files(batch, queued.arrived, patient=patient)
        if answer is NOT_YET:
            now = time.monotonic()
            self._postponed = _Postponed(queued=queued, first=first, due=now + _PATIENCE)
        else:
            self._looked_at = {}
        return answer

    def _is_still_written(self) -> bool:
        """True when what was put off has changed since, though no batch told of it yet."""
        comparable = {k: r for k, r in self._looked_at.items() if not r.problems}
        return any(not self._catalog.read(k).same_as(r) for k, r in comparable.items())

    def _judge_files(self, batch: ChangeBatch, arrived: float, *, patient: bool) -> Any:
        """The outcome, None when nothing was to be done, or NOT_YET while `patient` when it
        looks like the first half of something: a plugin that vanished may be back in a moment,
        and what is refused may be completed."""
        changed = self._intake.changed(batch)
        if not changed:
            return None
        paths = tuple(sorted(self._project.relative(p) for p in batch.paths))
        if not self._settings().reloads_automatically:
            self._intake.list_as_pending(changed)
            return None
        self._looked_at = changed if patient else {}
        if patient and any(r.candidate is None for r in changed.values()):
            return NOT_YET
        cause = Cause(trigger="file", arrived=arrived, paths=paths)
        return self._judge.judge(changed, cause, patient=patient)

    # -- asked for ------------------------------------------------------------------------------

    def _reload(self, command: ReloadPlugins, arrived: float) -> Any:
        self._catalog.configuration.read()
        self._catalog.discover()
        readings = {key: self._catalog.read(key) for key in command.keys}
        cause = Cause(trigger=command.trigger, arrived=arrived)
        return self._judge.judge(readings, cause, force=command.force)
