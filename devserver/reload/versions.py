"""Puts an earlier version of a plugin into service, as an ordinary transaction."""

from __future__ import annotations

from dataclasses import dataclass

from devserver.core.errors import PluginNotFound, PluginUnavailable
from devserver.core.outcome import Outcome
from devserver.reload.catalog import Catalog
from devserver.reload.cause import Cause
from devserver.reload.held import Held, Hold
from devserver.reload.judge import Judge
from devserver.reload.pending import Pending, Refused
from devserver.reload.put_back import PutBack, put_back
from devserver.reload.queue import Restore
from devserver.reload.recorder import Recorder
from devserver.reload.refused_again import as_before
from devserver.runtime.project import Project
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it; `on_disk` is None where nothing was to be written."""

    outcome: Outcome
    number: int
    on_disk: PutBack | None = None


class Versions:
    """Carries out the command Restore, on the reloader's thread."""

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        catalog: Catalog,
        judge: Judge,
        pending: Pending,
        held: Held,
        recorder: Recorder,
    ) -> None:
        self._project = project
        self._system = system
        self._catalog = catalog
        self._judge = judge
        self._pending = pending
        self._held = held
        self._recorder = recorder

    def restore(self, command: Restore, arrived: float) -> Restored:
        """Validated, tried, with state and dependents; one that is refused leaves everything as
        it was. What is on disk stays, and is not loaded until it changes, unless it is to be
        replaced too.

        Raises PluginNotFound, PluginUnavailable.
        """
        key, record = command.key, self._record(command)
        self._catalog.configuration.read()
        disk = self._catalog.find_on_disk(key)
        behind = disk is None or disk.digest != command.source.digest
        refused = self._pending.find(key)
        hold = Hold(number=command.number, source=command.source, disk=disk, is_behind=behind)
        self._held.prepare(key, hold)
        note = f"version {command.number} of its source"
        if behind and not command.write:
            note += ", until another one is saved or the server starts anew"
        try:
            outcome: Outcome = self._judge.judge(
                {key: self._catalog.reading_of(key, command.source)},
                Cause(trigger="rollback", arrived=arrived, notes=(note,)),
                asked=True,
            )
        finally:
            self._held.give_up(key)
        if not outcome.success:
            self._as_before(key, record, refused)
            return Restored(outcome=outcome, number=command.number)
        if not command.write:
            return Restored(outcome=outcome, number=command.number)
        done = put_back(
            command.source, disk, kept=command.kept, backups=self._project.instance / "backups"
        )
        if done.problem is None:
            self._held.settle(key, self._catalog.find_on_disk(key))
        return Restored(outcome=outcome, number=command.number, on_disk=done)

    def _record(self, command: Restore) -> PluginRecord | None:
        """None for one that was deleted, and that comes back with its files."""
        record = self._system.registry.view.find(command.key)
        if record is None and not command.write:
            raise PluginNotFound(command.source.name)
        if record is not None and record.withheld:
            raise PluginUnavailable(
                f"plugin {record.name!r} is {record.status}: {record.reason}",
                hint=f"`sysctl plugins enable {record.name}` puts it into service",
            )
        return record

    def _as_before(self, key: str, before: PluginRecord | None, refused: Refused | None) -> None:
        registry = self._system.registry
        if before is None:
            self._pending.forget([key])
            self._recorder.remove(registry.view.plugins[key])
        else:
            as_before(before, refused, pending=self._pending, registry=registry)
