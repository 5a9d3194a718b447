"""Everything but HTTP: watches, validates, reloads. Also what tests and embedding use."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from devserver.assembly.dependencies import MissingDependencies
from devserver.assembly.keeping import Keeping
from devserver.assembly.reloading import build_reloader
from devserver.assembly.variant import Variant
from devserver.assembly.watching import Watching
from devserver.core.changes import ChangeBatch
from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DevServerError
from devserver.core.outcome import Outcome
from devserver.core.settings import Settings
from devserver.packages.service import Packages
from devserver.reload.api_parts import ApiParts
from devserver.reload.attempt import Attempts
from devserver.reload.catalog import Catalog
from devserver.reload.configurations import Configurations
from devserver.reload.control import Control
from devserver.reload.disposal import Disposer
from devserver.reload.followers import Followers
from devserver.reload.health_watch import HealthWatch
from devserver.reload.held import Held
from devserver.reload.journal import Journal
from devserver.reload.leaks import Leak, LeakWatch
from devserver.reload.manager import PluginManager
from devserver.reload.offers import Offers
from devserver.reload.outside import Outside
from devserver.reload.overtaking import Overtaking
from devserver.reload.pending import Pending
from devserver.reload.probation import Period, Probation
from devserver.reload.probe import HealthProbe
from devserver.reload.queue import FilesChanged, LoadAll, ReloadQueue
from devserver.reload.recorder import Recorder
from devserver.reload.rollbacks import Rollbacks
from devserver.reload.settings_in_force import SettingsInForce
from devserver.reload.standing import StandingRoutes
from devserver.reload.trial_forkserver import ForkServerTrial
from devserver.runtime.gate import hold_all, release, wait_drained
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.loop_watch import LoopWatch
from devserver.runtime.project import Project
from devserver.runtime.shown_source import forget_source
from devserver.runtime.stall import Stall
from devserver.runtime.system import PluginSystem
from devserver.validation.analyser import Analyser
from devserver.validation.checks import built_in_validators, project_validators
from devserver.validation.pipeline import Pipeline

_LEAST = 0.5
"""Seconds that each part of a stop gets at least."""
_FAREWELL = 1.0
"""Seconds of a stop that are left to the hooks on the way out when work in flight does not end."""


class PluginHost:
    """The plugins of a project, live. `hot_reload` False: nothing is watched."""

    def __init__(
        self, project: Project, *, hot_reload: bool = True, variant: Variant | None = None
    ) -> None:
        self.project = project
        self._variant = variant or Variant()
        self.instance = str(uuid.uuid4())
        self.journal = Journal(instance=self.instance)
        self._in_force = SettingsInForce(
            project.root, journal=self.journal, variant=self._variant.settings
        )
        self.system = PluginSystem(project)
        self.system.bus.calls.time_limit = lambda: self.settings.reload.timeout
        self.registry = self.system.registry
        self.queue = ReloadQueue()
        self._disposer = Disposer(self.system, when_idle=self._flush)
        StandingRoutes(self.registry, self._disposer, settings=lambda: self.settings)
        overtaking = Overtaking(self.queue)
        self._hooks = HookRunner(self.system.loop, gives_up=overtaking.ends_hook)
        self._trial = ForkServerTrial(
            cache=project.cache,
            code=self.system.code,
            memory_mb=lambda: self.settings.safety.trial_memory_mb,
        )
        analyser = Analyser(project.cache, deferred=True, keep_code=self.system.code.put)
        self._catalog = Catalog(project, analyser)
        self.system.services.could_provide = Offers(self.registry, self._catalog).of_service
        self._caches = (analyser, self.system.code)
        self._attempts = Attempts(
            system=self.system,
            catalog=self._catalog,
            pipeline=self._pipeline(),
            hooks=self._hooks,
            trial=self._trial,
            overtaking=overtaking,
        )
        self._recorder = Recorder(system=self.system, journal=self.journal, disposer=self._disposer)
        self._pending = Pending()
        self._keeping = Keeping(
            project,
            system=self.system,
            journal=self.journal,
            instance=self.instance,
            recorder=self._recorder,
            development=lambda: self.settings.development_mode,
            database=self._variant.database,
            unspoken=self._variant.unspoken,
        )
        self.store = self._keeping.store
        self._held = Held(
            system=self.system, recorder=self._recorder, keep=self._keeping.put_versions
        )
        self._catalog.stand_in = self._held.stand_in
        self._probation = Probation(
            system=self.system,
            queue=self.queue,
            let_go=self._let_go,
            passed=self._probation_passed,
            timeout=lambda: self.settings.reload.timeout,
        )
        self._dependencies = MissingDependencies(
            settings=lambda: self.settings,
            tell=lambda level, message, hint: self._recorder.notice(level, message, hint=hint),
        )
        followers = Followers()
        self._reloader = build_reloader(
            project,
            system=self.system,
            queue=self.queue,
            catalog=self._catalog,
            attempts=self._attempts,
            recorder=self._recorder,
            pending=self._pending,
            probation=self._probation,
            held=self._held,
            desired=self._keeping.desired,
            overtaking=overtaking,
            disposer=self._disposer,
            followed=followers,
            settings=lambda: self.settings,
            on_settings=self._in_force.read,
            on_validators=self._validators_changed,
            on_missing=self._dependencies.missed_by,
        )
        health = read_host_settings(project.root).health
        self._probe = HealthProbe(self.system, timeout=health.timeout)
        self._health_watch = HealthWatch(
            self.registry, self._probe, interval=health.interval, tell=self._recorder.notice
        )
        self._loop_watch = LoopWatch(
            self.system.loop,
            limit=lambda: self.settings.reload.timeout,
            tell=self._loop_stalled,
        )
        self.leaks = LeakWatch(self.system, tell=self._leaked)
        self.control = Control(
            system=self.system,
            leaks=self.leaks,
            journal=self.journal,
            queue=self.queue,
            probe=self._probe,
            configurations=Configurations(system=self.system, catalog=self._catalog),
            api=ApiParts(self.system),
            pending=lambda: sorted(self._pending.keys() | self._held.behind()),
            in_force=self._in_force,
            followers=followers,
        )
        self.control.rollbacks = Rollbacks(
            project=project,
            registry=self.registry,
            queue=self.queue,
            store=self.store,
            keeper=self._keeping.keeper,
        )
        self.manager = PluginManager(self.control, on_plugin_loop=self.system.loop.is_current)
        self.system.manager = self.manager
        self._watching = Watching(
            project,
            off=not hot_reload,
            settings=lambda: self.settings,
            recorder=self._recorder,
            on_batch=self._batch_seen,
            listed=lambda: self._catalog.listed,
        )
        self.control.watcher = self._watching
        self._catalog.on_listed = self._watching.apply
        self.outside = Outside(
            control=self.control,
            catalog=self._catalog,
            watch=self._watching.settings_outside,
            on_batch=self._batch_seen,
            on_problem=self._watching.tell,
        )
        self.control.outside = self.outside
        self._in_force.on_change = self._apply_settings
        self.packages = Packages(
            project,
            live=self.control,
            limits=read_host_settings(project.root).packages,
            settings=lambda: self.settings,
            records=self._keeping.package_records,
            tell=lambda message: self._recorder.notice("warning", message),
            elsewhere=self.outside.find,
        )

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._in_force.current

    @property
    def settings_diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with config/hot-loading.yaml."""
        return self._in_force.diagnostics

    @property
    def watch_mode(self) -> str:
        """native, polling or off."""
        return self._watching.mode

    def start(self) -> None:
        """Loads every plugin and begins to watch. Failed plugins are told, not raised."""
        self.control.logs.attach(self._variant.logged)
        self.system.start()
        self._loop_watch.start()
        self.leaks.start()
        self._keeping.open()
        if self._variant.claims_project:
            self._recover_packages()
        self._reloader.start()
        # The watch begins before anything is read: what is saved meanwhile is not missed.
        self._watching.start()
        if self.settings.safety.trial_process:
            self._trial.warm()
        self.queue.put(LoadAll()).result()
        self._health_watch.start()
        self._flush()

    def _recover_packages(self) -> None:
        """What a killed process left half done is undone before anything is loaded."""
        try:
            for note in self.packages.recover():
                self._recorder.notice("warning", f"an installation did not end: {note}")
            self.packages.record_missing()
        except (OSError, DevServerError) as error:
            self._recorder.notice("warning", f"packages could not be looked after: {error}")

    def stop(self, timeout: float = 5.0) -> None:
        """Ends the watch and the reloader, then lets every plugin go; all of it in about
        `timeout` seconds, whatever hangs."""
        deadline = time.monotonic() + timeout

        def left() -> float:
            return max(_LEAST, deadline - time.monotonic())

        self._watching.stop()
        self._dependencies.stop()
        self.outside.stop()
        self.queue.close()
        self._trial.close()  # a reload that waits for it ends, before anything was executed here
        self._reloader.stop(left())
        self._probation.stop(left())
        self._let_all_go(left())
        self._hooks.close()
        self._health_watch.stop()
        self._probe.stop()
        self.control.inspection.close()
        self._loop_watch.stop()
        self.leaks.stop()
        self.journal.wake()
        self.system.stop()
        self._keeping.close(left())
        self.control.logs.detach()

    def _flush(self) -> None:
        """Writes what the caches have learnt; no save waits for it."""
        if not self._variant.claims_project:
            return
        for cache in self._caches:
            cache.flush()

    def changed(self, *paths: Path) -> Outcome | None:
        """Tells the reloader that files changed, as the watcher would; waits for what comes of
        it (None: nothing)."""
        batch = ChangeBatch(paths=frozenset(paths), first_seen=time.monotonic())
        outcome: Outcome | None = self._saved(batch).result()
        return outcome

    def _let_go(self, period: Period) -> None:
        self._recorder.let_go(period.gone, period.outcome, self.settings)

    def _probation_passed(self, period: Period) -> None:
        self._held.proved_good(period.live)
        names = ", ".join(f"{g.name} g{g.number}" for g in period.live)
        self._recorder.notice("info", f"{names}: passed the probation")

    def _let_all_go(self, timeout: float) -> None:
        view = self.registry.view
        serving = {k: r.generation or r.standing for k, r in view.plugins.items()}
        live = {k: generation for k, generation in serving.items() if generation is not None}
        generations = [live[key] for key in self._catalog.graph.order(live)]
        begun = time.monotonic()
        self.system.bus.stop()  # what begins from now on would meet plugins that have shut down
        _wait_for_work(generations, timeout - _FAREWELL)
        timeout = max(_LEAST, timeout - (time.monotonic() - begun))
        self._disposer.hurry()
        self._disposer.dispose(
            list(generations),
            timeout=timeout,
            drain_timeout=0,
            on_done=lambda _step, _troubles: None,
        )
        self._disposer.stop(timeout)
        forget_source(generation.table for generation in live.values())

    def _batch_seen(self, batch: ChangeBatch) -> None:
        self._saved(batch)

    def _saved(self, batch: ChangeBatch) -> Future[Any]:
        return self.queue.put(FilesChanged(batch=batch))

    def _loop_stalled(self, stall: Stall) -> None:
        level = "warning" if stall.thread is None else "error"
        self._recorder.notice(level, stall.message, hint=stall.hint, plugin=stall.plugin)

    def _leaked(self, leak: Leak) -> None:
        self._recorder.notice("warning", leak.message, hint=leak.hint, plugin=leak.plugin)

    def _apply_settings(self) -> None:
        self.outside.apply()
        self._watching.apply()

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


def _wait_for_work(generations: list[Generation], timeout: float) -> None:
    """Lets listeners, commands and calls end that are inside, in about `timeout` seconds."""
    hold = hold_all(generations)
    try:
        wait_drained(hold, generations, drain_timeout=timeout, wait_limit=timeout)
    finally:
        release(hold, generations, replaced=False)
