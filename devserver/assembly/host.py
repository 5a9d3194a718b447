"""Everything but HTTP: watches, validates, reloads. Also what tests and embedding use."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from devserver.assembly.dependencies import MissingDependencies
from devserver.assembly.farewell import LEAST, let_all_go
from devserver.assembly.keeping import Keeping
from devserver.assembly.main_file import MainFile
from devserver.assembly.reloading import build_probation, build_reloader
from devserver.assembly.supervision import Supervision
from devserver.assembly.trying import Trying
from devserver.assembly.variant import Variant
from devserver.assembly.watching import Watching
from devserver.core.changes import ChangeBatch
from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DevServerError
from devserver.core.outcome import Outcome
from devserver.core.settings import Settings
from devserver.packages.service import Packages
from devserver.reload.api_parts import ApiParts
from devserver.reload.configurations import Configurations
from devserver.reload.control import Control
from devserver.reload.disposal import Disposer
from devserver.reload.followers import Followers
from devserver.reload.held import Held
from devserver.reload.journal import Journal
from devserver.reload.manager import PluginManager
from devserver.reload.outside import Outside
from devserver.reload.pending import Pending
from devserver.reload.queue import FilesChanged, LoadAll, ReloadQueue
from devserver.reload.recorder import Recorder
from devserver.reload.reloader import Reloader
from devserver.reload.rollbacks import Rollbacks
from devserver.reload.settings_in_force import SettingsInForce
from devserver.reload.standing import StandingRoutes
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem


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
        self._trying = Trying(
            project,
            system=self.system,
            queue=self.queue,
            journal=self.journal,
            settings=lambda: self.settings,
        )
        self._catalog = self._trying.catalog
        self._recorder = Recorder(system=self.system, journal=self.journal, disposer=self._disposer)
        self._main_file = MainFile(project.root, tell=self._recorder.notice)
        self._keeping = self._build_keeping()
        self.store = self._keeping.store
        self._pending = Pending()
        self._held = Held(
            system=self.system, recorder=self._recorder, keep=self._keeping.put_versions
        )
        self._catalog.stand_in = self._held.stand_in
        self._probation = build_probation(
            system=self.system,
            queue=self.queue,
            recorder=self._recorder,
            held=self._held,
            settings=lambda: self.settings,
        )
        self._dependencies = MissingDependencies(
            settings=lambda: self.settings,
            tell=lambda level, message, hint: self._recorder.notice(level, message, hint=hint),
        )
        self._followers = Followers()
        self._reloader = self._build_reloader()
        self._supervision = Supervision(
            self.system,
            health=self._main_file.at_start.health,
            settings=lambda: self.settings,
            recorder=self._recorder,
        )
        self.leaks = self._supervision.leaks
        self._watching = self._build_watching(off=not hot_reload)
        self._catalog.on_listed = self._watching.apply
        self.control = self._build_control()
        self.manager = PluginManager(self.control, on_plugin_loop=self.system.loop.is_current)
        self.system.manager = self.manager
        self.outside = self._build_outside()
        self.control.outside = self.outside
        self.packages = self._build_packages()
        self._in_force.on_change = self._apply_settings

    def _build_keeping(self) -> Keeping:
        return Keeping(
            self.project,
            system=self.system,
            journal=self.journal,
            instance=self.instance,
            recorder=self._recorder,
            development=lambda: self.settings.development_mode,
            database=self._variant.database,
            unspoken=self._variant.unspoken,
        )

    def _build_reloader(self) -> Reloader:
        return build_reloader(
            self.project,
            system=self.system,
            queue=self.queue,
            catalog=self._catalog,
            attempts=self._trying.attempts,
            recorder=self._recorder,
            pending=self._pending,
            probation=self._probation,
            held=self._held,
            desired=self._keeping.desired,
            overtaking=self._trying.overtaking,
            disposer=self._disposer,
            followed=self._followers,
            settings=lambda: self.settings,
            on_settings=self._in_force.read,
            on_host_settings=self._main_file.saved,
            on_validators=self._trying.validators_changed,
            on_missing=self._dependencies.missed_by,
        )

    def _build_watching(self, *, off: bool) -> Watching:
        return Watching(
            self.project,
            off=off,
            settings=lambda: self.settings,
            recorder=self._recorder,
            on_batch=self._batch_seen,
            listed=lambda: self._catalog.listed,
        )

    def _build_control(self) -> Control:
        control = Control(
            system=self.system,
            leaks=self._supervision.leaks,
            journal=self.journal,
            queue=self.queue,
            probe=self._supervision.probe,
            configurations=Configurations(system=self.system, catalog=self._catalog),
            api=ApiParts(self.system),
            pending=lambda: sorted(self._pending.keys() | self._held.behind()),
            in_force=self._in_force,
            followers=self._followers,
        )
        control.rollbacks = Rollbacks(
            project=self.project,
            registry=self.registry,
            queue=self.queue,
            store=self.store,
            keeper=self._keeping.keeper,
        )
        control.watcher = self._watching
        return control

    def _build_outside(self) -> Outside:
        return Outside(
            control=self.control,
            catalog=self._catalog,
            watch=self._watching.settings_outside,
            on_batch=self._batch_seen,
            on_problem=self._watching.tell,
        )

    def _build_packages(self) -> Packages:
        return Packages(
            self.project,
            live=self.control,
            limits=self._main_file.at_start.packages,
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
        self._supervision.start()
        self._keeping.open()
        if self._variant.claims_project:
            self._recover_packages()
        self._reloader.start()
        # The watch begins before anything is read: what is saved meanwhile is not missed.
        self._watching.start()
        self._trying.warm()
        self.queue.put(LoadAll()).result()
        self._supervision.watch_health()
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
            return max(LEAST, deadline - time.monotonic())

        self._watching.stop()
        self._dependencies.stop()
        self.outside.stop()
        self.queue.close()
        self._trying.give_up()  # a reload in its trial ends, with nothing of it executed here
        self._reloader.stop(left())
        self._probation.stop(left())
        let_all_go(self.system, self._catalog, self._disposer, timeout=left())
        self._trying.close()
        self.control.inspection.close()
        self._supervision.stop()
        self.journal.wake()
        self.system.stop()
        self._keeping.close(left())
        self.control.logs.detach()

    def _flush(self) -> None:
        """Writes what the caches have learnt; no save waits for it."""
        if self._variant.claims_project:
            self._trying.flush()

    def changed(self, *paths: Path) -> Outcome | None:
        """Tells the reloader that files changed, as the watcher would; waits for what comes of
        it (None: nothing)."""
        batch = ChangeBatch(paths=frozenset(paths), first_seen=time.monotonic())
        outcome: Outcome | None = self._saved(batch).result()
        return outcome

    def _batch_seen(self, batch: ChangeBatch) -> None:
        self._saved(batch)

    def _saved(self, batch: ChangeBatch) -> Future[Any]:
        return self.queue.put(FilesChanged(batch=batch))

    def _apply_settings(self) -> None:
        self.outside.apply()
        self._watching.apply()
