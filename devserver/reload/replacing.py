"""A plugin's files are replaced as a whole: what stands there then goes live, or they come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devserver.core.changes import ChangeBatch
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Outcome, Result
from devserver.reload.catalog import Catalog
from devserver.reload.intake import Intake
from devserver.reload.operator import Operator
from devserver.reload.pending import Pending
from devserver.reload.queue import Enable, ReloadPlugins, Replace
from devserver.reload.refused_again import as_before
from devserver.runtime.project import Project
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem


class Replacing:
    """Carries out `Replace`, on the reloader's thread: no batch of changes is judged meanwhile,
    and the one that the watcher tells of afterwards is what runs already. `reload` reloads
    plugins from disk."""

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        catalog: Catalog,
        intake: Intake,
        pending: Pending,
        operator: Operator,
        reload: Callable[[ReloadPlugins, float], Any],
    ) -> None:
        self._project = project
        self._system = system
        self._catalog = catalog
        self._intake = intake
        self._pending = pending
        self._operator = operator
        self._reload = reload

    def replace(self, command: Replace, arrived: float) -> Outcome:
        """The outcome. A plugin that is out of service stays so unless it is to come back.

        Raises Superseded when it made way for what waits, and what `put` raises; the former
        files are there then.
        """
        outcome: Outcome | None = None
        before, refused = self._record(command), self._pending.find(command.key)
        try:
            command.put()
            outcome = self._make_live(command, arrived)
        finally:
            if outcome is None or not outcome.success:
                command.put_back()
                if before is not None and not before.withheld:
                    registry = self._system.registry
                    as_before(before, refused, pending=self._pending, registry=registry)
                self._look(command, arrived)
        return outcome

    def _make_live(self, command: Replace, arrived: float) -> Outcome:
        if self._record(command) is None:  # the operator's word may be older than the files
            self._look(command, arrived)
        record = self._record(command)
        if record is None or not record.withheld:
            asked = ReloadPlugins(keys=(command.key,), trigger=command.trigger)
            outcome: Outcome = self._reload(asked, arrived)
            return outcome
        if command.enable:
            enable = Enable(key=command.key, trigger=command.trigger)
            return self._operator.enable(enable, arrived)
        self._look(command, arrived)
        return Outcome(
            plugin=record.name,
            plugins=(record.name,),
            result=Result.UNCHANGED,
            message=_stays(record, is_there=self._record(command) is not None),
            trigger=command.trigger,
        )

    def _record(self, command: Replace) -> PluginRecord | None:
        return self._system.registry.view.find(command.key)

    def _look(self, command: Replace, arrived: float) -> None:
        """Has everybody know what is on disk now, without loading anything of it."""
        self._catalog.discover()
        place = self._project.plugins / command.key / "plugin.py"
        self._intake.changed(ChangeBatch(paths=frozenset([place]), first_seen=arrived))


def _stays(record: PluginRecord, *, is_there: bool) -> str:
    if not is_there:
        return f"Plugin {record.name} is gone; it was {record.status}: {record.reason}"
    deed = "enable" if record.status is PluginStatus.DISABLED else "load"
    return (
        f"Plugin {record.name} stays {record.status}: {record.reason}; "
        f"`sysctl plugins {deed} {record.name}` puts it into service"
    )
