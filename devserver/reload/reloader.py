"""The single writer: takes every command from the queue and decides what becomes of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

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
from devserver.reload.recorder import Recorder
from devserver.reload.startup import load_each
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.reload")


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
        self._thread = threading.Thread(target=self._run, name="reloader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Takes nothing more in and waits for what runs, `timeout` seconds at most."""
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._queue.closed:
            due = self._pending.next_time()
            timeout = None if due is None else max(0.0, due - time.monotonic())
            queued = self._queue.take(timeout)
            if queued is not None:
                self._answer(queued)
            elif not self._queue.closed:
                self._retry()

    def _answer(self, queued: Queued) -> None:
        try:
            answer = self._carry_out(queued)
        except Exception as error:  # noqa: BLE001 - the one writer must outlive a fault of ours
            _log.exception("internal error; nothing was changed")
            queued.answer.set_exception(error)
        else:
            queued.answer.set_result(answer)

    def _carry_out(self, queued: Queued) -> Any:
        match queued.command:
            case FilesChanged(batch=batch):
                return self._files_changed(batch, queued.arrived)
            case ReloadPlugins() as command:
                return self._reload(command, queued.arrived)
            case Rescan():
                batch = ChangeBatch(paths=frozenset(), first_seen=queued.arrived, complete=True)
                return self._files_changed(batch, queued.arrived)
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

    def _files_changed(self, batch: ChangeBatch, arrived: float) -> Outcome | None:
        changed = self._intake.changed(batch)
        if not changed:
            return None
        paths = tuple(sorted(self._project.relative(p) for p in batch.paths))
        if not self._settings().reloads_automatically:
            self._intake.list_as_pending(changed)
            return None
        return self._apply(changed, trigger="file", paths=paths, arrived=arrived)

    # -- asked for ------------------------------------------------------------------------------

    def _reload(self, command: ReloadPlugins, arrived: float) -> Outcome | None:
        self._catalog.configuration.read()
        self._catalog.discover()
        readings = {key: self._catalog.read(key) for key in command.keys}
        return self._apply(
            readings,
            trigger=command.trigger,
            paths=(),
            arrived=arrived,
            force=command.force,
        )

    def _retry(self) -> None:
        due = self._pending.due(time.monotonic())
        if not due:
            return
        first = due[0]
        keys = {k for k in first.companions if k in self._pending} | {first.reading.key}
        batch = {k: r.reading for k in keys if (r := self._pending.find(k)) is not None}
        number = first.attempts + 1
        main = self._main(batch)
        attempt = self._attempts.make(batch, main=main, settings=self._settings())
        self._settle(
            attempt,
            batch,
            main=main,
            trigger="retry",
            paths=first.outcome.changes if first.outcome is not None else (),
            arrived=time.monotonic(),
            number=number,
            amends=first.outcome,
        )

    # -- one change ---------------------------------------------------------------------------

    def _apply(
        self,
        readings: Mapping[str, Reading],
        *,
        trigger: str,
        paths: tuple[str, ...],
        arrived: float,
        force: bool = False,
    ) -> Outcome | None:
        """Tries the readings together with refused ones that belong to them, then alone."""
        main = self._main(readings)
        self._recorder.started(sorted(readings), trigger, paths)
        related = {
            k: self._catalog.read(k) for k in self._pending.related(readings, self._catalog.graph)
        }
        settings = self._settings()
        tried = dict(readings)
        if related:
            together = self._attempts.make(
                {**related, **readings}, main=main, settings=settings, force=force
            )
            if together.result is Result.RELOADED:
                tried = {**related, **readings}
                return self._settle(
                    together, tried, main=main, trigger=trigger, paths=paths, arrived=arrived
                )
        attempt = self._attempts.make(tried, main=main, settings=settings, force=force)
        return self._settle(
            attempt, tried, main=main, trigger=trigger, paths=paths, arrived=arrived
        )

    def _main(self, readings: Collection[str]) -> str:
        """The plugin that an outcome is told for: the lowest dependency among those changed."""
        below = self._catalog.graph
        own = set(readings)
        return min(readings, key=lambda k: (bool(below.all_dependencies([k]) & own), k))

    def _settle(
        self,
        attempt: Attempt,
        readings: Mapping[str, Reading],
        *,
        main: str,
        trigger: str,
        paths: tuple[str, ...],
        arrived: float,
        number: int = 1,
        amends: Outcome | None = None,
    ) -> Outcome | None:
        """Records an attempt, keeps what was refused, and frees who waited for what now serves."""
        outcome = self._recorder.record(
            attempt,
            readings,
            main=main,
            trigger=trigger,
            paths=paths,
            arrived=arrived,
            number=number,
            amends=amends,
            settings=self._settings(),
        )
        if attempt.result is Result.RELOADED:
            self._pending.forget(readings)
            self._free_waiting(outcome)
            return outcome
        retry_at = self._retry_time(attempt, trigger, number)
        self._pending.refuse(
            Refused(
                reading=reading,
                companions=frozenset(readings),
                outcome=outcome,
                attempts=number,
                retry_at=retry_at,
            )
            for reading in readings.values()
        )
        return outcome

    def _retry_time(self, attempt: Attempt, trigger: str, number: int) -> float | None:
        safety = self._settings().safety
        automatic = trigger in ("file", "retry") and attempt.ended.retry
        if not automatic or number >= safety.max_reload_attempts:
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
                trigger="dependency",
                paths=(),
                arrived=time.monotonic(),
            )
