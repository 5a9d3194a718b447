"""Everything but HTTP: watches, validates, reloads. Also what tests and embedding use."""

from __future__ import annotations

import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from devserver.core.changes import ChangeBatch
from devserver.core.outcome import Outcome
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempts
from devserver.reload.catalog import Catalog
from devserver.reload.control import Control
from devserver.reload.disposal import Disposer
from devserver.reload.intake import Intake
from devserver.reload.journal import Journal
from devserver.reload.judge import Judge
from devserver.reload.leaks import Leak, LeakWatch
from devserver.reload.operator import Operator
from devserver.reload.pending import Pending
from devserver.reload.probation import Period, Probation
from devserver.reload.probe import HealthProbe
from devserver.reload.queue import FilesChanged, LoadAll, ReloadQueue
from devserver.reload.recorder import Recorder
from devserver.reload.reloader import Reloader
from devserver.reload.trial_forkserver import ForkServerTrial
from devserver.reload.watcher import Watcher
from devserver.runtime.hooks import HookRunner
from devserver.runtime.loop_watch import LoopWatch
from devserver.runtime.project import Project
from devserver.runtime.settings_file import read_settings
from devserver.runtime.shown_source import forget_source
from devserver.runtime.stall import Stall
from devserver.runtime.system import PluginSystem
from devserver.validation.analyser import Analyser
from devserver.validation.checks import built_in_validators, project_validators
from devserver.validation.pipeline import Pipeline

_LEAST = 0.5
"""Seconds that each part of a stop gets at least."""


class PluginHost:
    """The plugins of a project, live. `hot_reload` False: nothing is watched."""

    def __init__(self, project: Project, *, hot_reload: bool = True) -> None:
        self.project = project
        found, self.settings_diagnostics = read_settings(project.root)
        self._settings = found or Settings()
        self._hot_reload = hot_reload
        self.journal = Journal()
        self.system = PluginSystem(project)
        self.registry = self.system.registry
        self.queue = ReloadQueue()
        self._disposer = Disposer(self.system, when_idle=self._flush)
        self._hooks = HookRunner(self.system.loop)
        self._trial = ForkServerTrial(
            cache=project.cache,
            code=self.system.code,
            memory_mb=lambda: self._settings.safety.trial_memory_mb,
        )
        analyser = Analyser(project.cache, deferred=True, keep_code=self.system.code.put)
        self._catalog = Catalog(project, analyser)
        self._caches = (analyser, self.system.code)
        self._attempts = Attempts(
            system=self.system,
            catalog=self._catalog,
            pipeline=self._pipeline(),
            hooks=self._hooks,
            trial=self._trial,
        )
        self._recorder = Recorder(system=self.system, journal=self.journal, disposer=self._disposer)
        self._pending = Pending()
        self._probation = Probation(
            system=self.system,
            queue=self.queue,
            let_go=self._let_go,
            passed=self._probation_passed,
            timeout=lambda: self._settings.reload.timeout,
        )
        judge = Judge(
            system=self.system,
            catalog=self._catalog,
            attempts=self._attempts,
            recorder=self._recorder,
            pending=self._pending,
            probation=self._probation,
            settings=lambda: self._settings,
        )
        self._reloader = Reloader(
            project=project,
            system=self.system,
            queue=self.queue,
            catalog=self._catalog,
            attempts=self._attempts,
            recorder=self._recorder,
            intake=Intake(
                project=project,
                system=self.system,
                catalog=self._catalog,
                pending=self._pending,
                recorder=self._recorder,
                on_settings=self._settings_changed,
                on_validators=self._validators_changed,
            ),
            pending=self._pending,
            judge=judge,
            operator=Operator(
                system=self.system,
                catalog=self._catalog,
                judge=judge,
                recorder=self._recorder,
                pending=self._pending,
                probation=self._probation,
                settings=lambda: self._settings,
            ),
            settings=lambda: self._settings,
        )
        self._probe = HealthProbe(self.system)
        self._loop_watch = LoopWatch(
            self.system.loop,
            limit=lambda: self._settings.reload.timeout,
            tell=self._loop_stalled,
        )
        self.leaks = LeakWatch(self.system, tell=self._leaked)
        self.control = Control(
            system=self.system,
            leaks=self.leaks,
            journal=self.journal,
            queue=self.queue,
            probe=self._probe,
            pending=lambda: sorted(self._pending.keys()),
            settings=lambda: self._settings,
        )
        self.system.manager = self.control
        self._watcher: Watcher | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def watch_mode(self) -> str:
        """native, polling or off."""
        return "off" if self._watcher is None else self._watcher.mode

    def start(self) -> None:
        """Loads every plugin and begins to watch. Failed plugins are told, not raised."""
        self.system.start()
        self._loop_watch.start()
        self.leaks.start()
        self._reloader.start()
        # The watch begins before anything is read: what is saved meanwhile is not missed.
        self._start_watching()
        if self._settings.safety.trial_process:
            self._trial.warm()
        self.queue.put(LoadAll()).result()
        self._flush()

    def stop(self, timeout: float = 5.0) -> None:
        """Ends the watch and the reloader, then lets every plugin go; all of it in about
        `timeout` seconds, whatever hangs."""
        deadline = time.monotonic() + timeout

        def left() -> float:
            return max(_LEAST, deadline - time.monotonic())

        if self._watcher is not None:
            self._watcher.stop()
        self.queue.close()
        self._trial.close()  # a reload that waits for it ends, before anything was executed here
        self._reloader.stop(left())
        self._probation.stop(left())
        self._let_all_go(left())
        self._hooks.close()
        self._probe.stop()
        self._loop_watch.stop()
        self.leaks.stop()
        self.journal.wake()
        self.system.stop()

    def _flush(self) -> None:
        """Writes what the caches have learnt; no save waits for it."""
        for cache in self._caches:
            cache.flush()

    def changed(self, *paths: Path) -> Outcome | None:
        """Tells the reloader that files changed, as the watcher would; waits for what comes of
        it (None: nothing)."""
        batch = ChangeBatch(paths=frozenset(paths), first_seen=time.monotonic())
        outcome: Outcome | None = self._saved(batch).result()
        return outcome

    def _let_go(self, period: Period) -> None:
        self._recorder.let_go(period.gone, period.outcome, self._settings)

    def _probation_passed(self, period: Period) -> None:
        names = ", ".join(f"{g.name} g{g.number}" for g in period.live)
        self._recorder.notice("info", f"{names}: passed the probation")

    def _let_all_go(self, timeout: float) -> None:
        view = self.registry.view
        live = {k: r.generation for k, r in view.plugins.items() if r.generation is not None}
        order = self._catalog.graph.order(live)
        self._disposer.hurry()
        self._disposer.dispose(
            [live[key] for key in order],
            timeout=timeout,
            drain_timeout=0,
            on_done=lambda _step, _troubles: None,
        )
        self._disposer.stop(timeout)
        forget_source(generation.table for generation in live.values())

    def _start_watching(self) -> None:
        if not self._hot_reload:
            return
        self._watcher = Watcher(
            self.project.root,
            self._settings.watch_in_force,
            on_batch=self._batch_seen,
            on_problem=self._watch_problem,
        )
        self._watcher.start()
        self._tell_watching()

    def _tell_watching(self) -> None:
        if self._watcher is not None:
            self.control.watch = {
                "watching": self._watcher.watching and self._settings.watches,
                "mode": self._watcher.mode,
            }

    def _batch_seen(self, batch: ChangeBatch) -> None:
        self._saved(batch)

    def _saved(self, batch: ChangeBatch) -> Future[Any]:
        answer = self.queue.put(FilesChanged(batch=batch))
        self._trial.abandon(batch)
        return answer

    def _loop_stalled(self, stall: Stall) -> None:
        level = "warning" if stall.thread is None else "error"
        self._recorder.notice(level, stall.message, hint=stall.hint, plugin=stall.plugin)

    def _leaked(self, leak: Leak) -> None:
        self._recorder.notice("warning", leak.message, hint=leak.hint, plugin=leak.plugin)

    def _watch_problem(self, message: str, hint: str | None) -> None:
        self._tell_watching()
        self._recorder.notice("warning", message, hint=hint)

    def _settings_changed(self) -> None:
        """A valid edit applies at once; an invalid one is told and the old settings stay."""
        found, diagnostics = read_settings(self.project.root)
        if found == self._settings and diagnostics == self.settings_diagnostics:
            return
        self.settings_diagnostics = diagnostics
        if found is not None:
            self._settings = found
            if self._watcher is not None:
                self._watcher.apply(found.watch_in_force)
                self._tell_watching()
        self.journal.tell(
            "settings",
            ok=found is not None,
            diagnostics=[d.to_json() for d in diagnostics],
        )

    def _validators_changed(self) -> None:
        self._attempts.pipeline = self._pipeline()

    def _pipeline(self) -> Pipeline:
        own, problems = project_validators(self.project.validators)
        for problem in problems:
            place = f"{problem.location}: " if problem.location else ""
            self.journal.tell(
                "notice",
                level="error",
                message=f"{place}{problem.message}",
                hint=problem.hint,
                plugin=None,
            )
        return Pipeline([*built_in_validators(), *own])
