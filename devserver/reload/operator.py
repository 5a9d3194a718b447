"""Carries out the operator's word: which plugins are to serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from weakref import ref

from devserver.core.errors import DatabaseUnavailable, PluginNotFound
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.outcome import KEPT_FOR_THIS_RUN, Outcome, Result
from devserver.core.settings import Settings
from devserver.core.switching import refuse_if_needed
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Catalog, dependencies_of
from devserver.reload.cause import Cause
from devserver.reload.desired import Desired
from devserver.reload.judge import Judge
from devserver.reload.pending import Pending
from devserver.reload.probation import Probation
from devserver.reload.progress import Ended
from devserver.reload.queue import Enable, Withdraw
from devserver.reload.recorder import Recorder
from devserver.reload.steps import Stopwatch
from devserver.reload.withdrawal import Withdrawn, withdraw
from devserver.runtime.generation import Generation
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem
from devserver.validation.candidate import Candidate

_ROUTES_STAND = (
    "its routes go on answering until it is enabled, or disabled once more, or the server stops"
)
_ROUTES_AWAY = "its routes are back when it is enabled once more, or the server starts anew"
_DEED = {PluginStatus.DISABLED: "disabled", PluginStatus.REGISTERED: "unloaded"}


class Operator:
    """Puts plugins into service and takes them out. `settings()` gives those in force.

    Used by the reloader's thread alone.
    """

    def __init__(
        self,
        *,
        system: PluginSystem,
        catalog: Catalog,
        judge: Judge,
        recorder: Recorder,
        pending: Pending,
        probation: Probation,
        desired: Desired,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._judge = judge
        self._recorder = recorder
        self._pending = pending
        self._probation = probation
        self._desired = desired
        self._settings = settings

    def withdraw(self, command: Withdraw, arrived: float) -> Withdrawn:
        """Disables or unloads a plugin, with `force` those that need it too.

        Raises PluginNotFound, SwitchRefused with all that stands against it.
        """
        record = self._record(command.key)
        deed = _DEED[command.status]
        stands = record.standing is None or not command.routes
        if record.status is command.status and stands and not record.awaits_use:
            outcome = _unchanged(record, f"is {deed} already")
            if command.status is PluginStatus.DISABLED:
                problem = self._keep([command.key], DesiredState.INACTIVE)
                outcome = outcome if problem is None else outcome.for_this_run(problem.message)
            return Withdrawn(outcome=outcome)
        needing = self._needing(command.key)
        self._refuse_if_needed(record, needing, deed, force=command.force)
        keys = tuple(self._catalog.graph.order([command.key, *needing]))
        watch = Stopwatch()
        change: dict[str, Any] = {
            "status": command.status,
            "reason": f"{deed} by the operator",
            "pending": False,
            "is_lazy": False,
        }
        if command.status is PluginStatus.DISABLED:
            change["desired"] = DesiredState.INACTIVE
        with watch.step("commit"):
            gone = withdraw(self._system, keys, routes_stand=not command.routes, **change)
        self._pending.forget(keys)
        self._probation.end(keys)
        problem = None
        if command.status is PluginStatus.DISABLED:
            problem = self._keep(keys, DesiredState.INACTIVE)
        ending = self._ending(gone)
        outcome, settings = self._tell(command, arrived, keys, gone, watch, problem)
        if record.standing is not None:
            outcome = replace(outcome, routes_before=len(record.standing.routes))
        if not command.routes:
            outcome = replace(outcome, notes=(*outcome.notes, _ROUTES_STAND))
        left = self._recorder.let_go(ending, outcome, settings) if ending else None
        return Withdrawn(outcome=outcome, generations=tuple(map(ref, ending)), left=left)

    def _ending(self, gone: tuple[Generation, ...]) -> tuple[Generation, ...]:
        """Those of them that do not stay for their routes."""
        view = self._system.registry.view
        return tuple(g for g in gone if view.answering(g.key) is not g)

    def _needing(self, key: str) -> list[str]:
        view = self._system.registry.view
        dependents = self._catalog.graph.all_dependents([key])
        return sorted(k for k in dependents if k != key and view.generation(k) is not None)

    def _refuse_if_needed(
        self, record: PluginRecord, needing: list[str], deed: str, *, force: bool
    ) -> None:
        plugins = self._system.registry.view.plugins
        cores = [plugins[k].name for k in (record.key, *needing) if _is_core(plugins[k])]
        names = [plugins[k].name for k in needing]
        refuse_if_needed(record.name, deed, needing=names, cores=cores, force=force)

    def _tell(
        self,
        command: Withdraw,
        arrived: float,
        keys: tuple[str, ...],
        gone: tuple[Generation, ...],
        watch: Stopwatch,
        problem: DatabaseUnavailable | None,
    ) -> tuple[Outcome, Settings]:
        attempt = Attempt(
            result=Result.RELOADED,
            order=keys,
            diagnostics=(),
            ended=Ended(committed=True, gone=gone),
            watch=watch,
            deed=_DEED[command.status],
        )
        settings = _undrained(self._settings()) if command.force else self._settings()
        cause = Cause(trigger=command.trigger, arrived=arrived)
        outcome = self._recorder.record(
            attempt, {}, main=command.key, cause=cause, settings=settings
        )
        if problem is not None:
            outcome = self._recorder.not_kept(outcome, problem)
        return outcome, settings

    def enable(self, command: Enable, arrived: float) -> Outcome:
        """Loads a plugin that does not serve. One that cannot go live stays as it was.

        Raises PluginNotFound.
        """
        before = self._record(command.key)
        if before.generation is not None:
            outcome = self._put_routes_back(before, wanted=command.routes)
            problem = self._keep([command.key], DesiredState.ACTIVE)
            return outcome if problem is None else outcome.for_this_run(problem.message)
        self._catalog.configuration.read()
        self._catalog.discover()
        reading = self._catalog.read(command.key)
        if reading.candidate is None:
            raise PluginNotFound(before.name)
        loading = replace(
            before,
            status=PluginStatus.LOADING,
            reason="being put into service",
            routed=command.routes or before.standing is not None,
        )
        self._system.registry.publish(loading)
        try:
            outcome = self._judge.judge(
                {command.key: reading},
                Cause(trigger=command.trigger, arrived=arrived),
                settled=self._serving_below(reading.candidate),
            )
        finally:
            self._put_back(before)
        if outcome.success and before.standing is not None:
            outcome = replace(outcome, routes_before=len(before.standing.routes))
        elif outcome.success and not command.routes:
            outcome = replace(outcome, notes=(*outcome.notes, _ROUTES_AWAY))
        problem = self._keep([command.key], DesiredState.ACTIVE) if outcome.success else None
        return outcome if problem is None else self._recorder.not_kept(outcome, problem)

    def _put_routes_back(self, record: PluginRecord, *, wanted: bool) -> Outcome:
        if record.routed or not wanted:
            return _unchanged(record, "is active already")
        self._recorder.publish(replace(record, routed=True))
        routes = 0 if record.generation is None else len(record.generation.routes)
        return replace(_unchanged(record, "answers its routes again"), routes_after=routes)

    def _keep(self, keys: Iterable[str], status: DesiredState) -> DatabaseUnavailable | None:
        """Keeps the operator's word, before it is acknowledged; gives why it holds for this run
        only so far, if it does."""
        plugins = self._system.registry.view.plugins
        names = [plugins[key].name for key in keys]
        problem = self._desired.say(names, status)
        if problem is not None:
            told = f"{', '.join(names)}: {status}: {KEPT_FOR_THIS_RUN}: {problem.message}"
            self._recorder.notice("warning", told, hint=problem.hint)
        return problem

    def _serving_below(self, candidate: Candidate) -> frozenset[str]:
        """The plugins that it needs, through others too, and that serve: what runs of them is
        what it is put into service on."""
        near = set(dependencies_of(candidate))
        below = near | self._catalog.graph.all_dependencies(near)
        view = self._system.registry.view
        return frozenset(key for key in below if view.generation(key) is not None)

    def _put_back(self, before: PluginRecord) -> None:
        now = self._record(before.key)
        if now.generation is None and before.withheld:
            self._pending.forget([before.key])
            reason = f"{before.status}; it could not be put into service: {now.reason}"
            self._recorder.publish(replace(before, reason=reason, diagnostics=now.diagnostics))

    def _record(self, key: str) -> PluginRecord:
        record = self._system.registry.view.find(key)
        if record is None:
            raise PluginNotFound(key)
        return record


def _is_core(record: PluginRecord) -> bool:
    if record.manifest.is_core is not None:
        return record.manifest.is_core
    plugin = None if record.generation is None else record.generation.plugin
    return getattr(type(plugin), "is_core", False) is True


def _unchanged(record: PluginRecord, fact: str) -> Outcome:
    number = 0 if record.generation is None else record.generation.number
    return Outcome(
        plugin=record.name,
        plugins=(record.name,),
        result=Result.UNCHANGED,
        message=f"Plugin {record.name} {fact}",
        generation=number,
    )


def _undrained(settings: Settings) -> Settings:
    """The same, but nobody inside is waited for."""
    at_once = settings.reload.model_copy(update={"drain_timeout": 0})
    return settings.model_copy(update={"reload": at_once})
