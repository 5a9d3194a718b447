"""Carries out the operator's word: which plugins are to serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from devserver.core.errors import PluginNotFound, SwitchRefused
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Catalog
from devserver.reload.judge import Judge
from devserver.reload.pending import Pending
from devserver.reload.probation import Probation
from devserver.reload.progress import Ended
from devserver.reload.queue import Enable, Withdraw
from devserver.reload.recorder import Cause, Recorder
from devserver.reload.steps import Stopwatch
from devserver.reload.withdrawal import Withdrawn, withdraw
from devserver.runtime.generation import Generation
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem

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
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._judge = judge
        self._recorder = recorder
        self._pending = pending
        self._probation = probation
        self._settings = settings

    def withdraw(self, command: Withdraw, arrived: float) -> Withdrawn:
        """Disables or unloads a plugin, with `force` those that need it too.

        Raises PluginNotFound, SwitchRefused with all that stands against it.
        """
        record = self._record(command.key)
        deed = _DEED[command.status]
        if record.status is command.status:
            return Withdrawn(outcome=_unchanged(record, f"is {deed} already"))
        needing = self._needing(command.key)
        self._refuse_if_needed(record, needing, deed, force=command.force)
        keys = tuple(self._catalog.graph.order([command.key, *needing]))
        watch = Stopwatch()
        change: dict[str, Any] = {
            "status": command.status,
            "reason": f"{deed} by the operator",
            "pending": False,
        }
        if command.status is PluginStatus.DISABLED:
            change["desired"] = DesiredState.INACTIVE
        with watch.step("commit"):
            gone = withdraw(self._system, keys, **change)
        self._pending.forget(keys)
        self._probation.end(keys)
        outcome = self._tell(command, arrived, keys, gone, watch)
        return Withdrawn(outcome=outcome, generations=gone)

    def _needing(self, key: str) -> list[str]:
        view = self._system.registry.view
        dependents = self._catalog.graph.all_dependents([key])
        return sorted(k for k in dependents if k != key and view.generation(k) is not None)

    def _refuse_if_needed(
        self, record: PluginRecord, needing: list[str], deed: str, *, force: bool
    ) -> None:
        view = self._system.registry.view
        cores = [k for k in (record.key, *needing) if _is_core(view.plugins[k])]
        reasons = [f"{view.plugins[k].name!r} is a core plugin" for k in cores]
        if needing and not force:
            named = ", ".join(view.plugins[k].name for k in needing)
            verb = "needs" if len(needing) == 1 else "need"
            reasons.append(f"{named} {verb} it")
        if reasons:
            raise SwitchRefused(
                f"plugin {record.name!r} was not {deed}: {'; '.join(reasons)}",
                hint="a core plugin always runs" if cores else "with --force they go along",
                reasons=tuple(reasons),
            )

    def _tell(
        self,
        command: Withdraw,
        arrived: float,
        keys: tuple[str, ...],
        gone: tuple[Generation, ...],
        watch: Stopwatch,
    ) -> Outcome:
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
        self._recorder.let_go(gone, outcome, settings)
        return outcome

    def enable(self, command: Enable, arrived: float) -> Outcome:
        """Loads a plugin that does not serve. One that cannot go live stays as it was.

        Raises PluginNotFound.
        """
        before = self._record(command.key)
        if before.generation is not None:
            return _unchanged(before, "is active already")
        self._catalog.configuration.read()
        self._catalog.discover()
        reading = self._catalog.read(command.key)
        if reading.candidate is None:
            raise PluginNotFound(before.name)
        loading = replace(before, status=PluginStatus.LOADING, reason="being put into service")
        self._system.registry.publish(loading)
        try:
            outcome: Outcome = self._judge.judge(
                {command.key: reading}, Cause(trigger=command.trigger, arrived=arrived)
            )
        finally:
            self._put_back(before)
        return outcome

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
