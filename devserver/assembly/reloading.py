"""Puts the one writer together."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from devserver.core.settings import Settings
from devserver.reload.attempt import Attempts
from devserver.reload.canaries import Canaries
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.desired import Desired
from devserver.reload.disposal import Disposer
from devserver.reload.first_load import FirstLoad
from devserver.reload.held import Held
from devserver.reload.intake import Intake
from devserver.reload.judge import Judge
from devserver.reload.lazy import LazyLoading
from devserver.reload.operator import Operator
from devserver.reload.overtaking import Overtaking
from devserver.reload.pending import Pending
from devserver.reload.probation import Period, Probation
from devserver.reload.queue import ReloadQueue
from devserver.reload.recorder import Recorder
from devserver.reload.reloader import Reloader
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem


def build_probation(
    *,
    system: PluginSystem,
    queue: ReloadQueue,
    recorder: Recorder,
    held: Held,
    settings: Callable[[], Settings],
) -> Probation:
    """The probation; what passes it is kept as good, and told."""

    def let_go(period: Period) -> None:
        recorder.let_go(period.gone, period.outcome, settings())

    def passed(period: Period) -> None:
        held.proved_good(period.live)
        names = ", ".join(f"{g.name} g{g.number}" for g in period.live)
        recorder.notice("info", f"{names}: passed the probation")

    return Probation(
        system=system,
        queue=queue,
        let_go=let_go,
        passed=passed,
        timeout=lambda: settings().reload.timeout,
    )


def build_reloader(
    project: Project,
    *,
    system: PluginSystem,
    queue: ReloadQueue,
    catalog: Catalog,
    attempts: Attempts,
    recorder: Recorder,
    pending: Pending,
    probation: Probation,
    held: Held,
    desired: Desired,
    overtaking: Overtaking,
    disposer: Disposer,
    followed: Container[str],
    settings: Callable[[], Settings],
    on_settings: Callable[[], None],
    on_host_settings: Callable[[], None],
    on_validators: Callable[[], None],
    on_missing: Callable[[Sequence[Reading]], None],
) -> Reloader:
    """The reloader with all that it needs; `on_settings`, `on_host_settings` and `on_validators`
    are called when those files have changed, `on_missing` with what was refused for a module."""
    judge = Judge(
        system=system,
        catalog=catalog,
        attempts=attempts,
        recorder=recorder,
        pending=pending,
        probation=probation,
        desired=desired,
        held=held,
        settings=settings,
    )
    lazy = LazyLoading(
        system=system,
        queue=queue,
        catalog=catalog,
        attempts=attempts,
        judge=judge,
        recorder=recorder,
        settings=settings,
    )

    def settings_saved() -> None:
        before = settings()
        on_settings()
        lazy.apply()
        if settings() != before and settings().reloads_automatically:
            pending.under_other_settings(settings())

    return Reloader(
        project=project,
        system=system,
        queue=queue,
        catalog=catalog,
        first_load=FirstLoad(
            system=system,
            catalog=catalog,
            attempts=attempts,
            recorder=recorder,
            pending=pending,
            desired=desired,
            held=held,
            lazy=lazy,
            settings=settings,
        ),
        intake=Intake(
            project=project,
            system=system,
            catalog=catalog,
            pending=pending,
            recorder=recorder,
            desired=desired,
            lazy=lazy,
            settings=settings,
            on_settings=settings_saved,
            on_host_settings=on_host_settings,
            on_validators=on_validators,
        ),
        held=held,
        lazy=lazy,
        pending=pending,
        judge=judge,
        canaries=Canaries(
            system=system,
            queue=queue,
            catalog=catalog,
            attempts=attempts,
            judge=judge,
            recorder=recorder,
            pending=pending,
            disposer=disposer,
            settings=settings,
        ),
        overtaking=overtaking,
        operator=Operator(
            system=system,
            catalog=catalog,
            judge=judge,
            recorder=recorder,
            pending=pending,
            probation=probation,
            desired=desired,
            settings=settings,
        ),
        recorder=recorder,
        settings=settings,
        followed=followed,
        on_settings=settings_saved,
        on_missing=on_missing,
    )
