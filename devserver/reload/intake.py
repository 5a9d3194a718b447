"""Finds out what a batch of changed files means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from devserver.core.changes import ChangeBatch
from devserver.core.settings import SETTINGS_FILE
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.pending import Pending, Refused
from devserver.reload.recorder import Recorder
from devserver.runtime.discovery import plugin_of
from devserver.runtime.project import Project
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem


class Intake:
    """Compares what is on disk with what runs, by content.

    `on_settings` is called when the settings file has changed, `on_validators` when a check of
    the project's own has.
    """

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        catalog: Catalog,
        pending: Pending,
        recorder: Recorder,
        on_settings: Callable[[], None],
        on_validators: Callable[[], None],
    ) -> None:
        self._project = project
        self._system = system
        self._catalog = catalog
        self._pending = pending
        self._recorder = recorder
        self._on_settings = on_settings
        self._on_validators = on_validators

    def changed(self, batch: ChangeBatch) -> dict[str, Reading]:
        """The plugins whose content on disk is neither what runs nor what was refused already."""
        keys = self._touched(batch)
        found = {}
        returned = set()
        for key in sorted(keys):
            reading = self._catalog.read(key)
            record = self._system.registry.view.find(key)
            if record is not None and record.withheld:
                self._keep_up(record, reading)
                continue
            refused = self._pending.find(key)
            if reading.is_like(None if record is None else record.generation):
                if refused is not None and record is not None:
                    self._back_to_running(record)
                    returned.add(key)
                continue
            if refused is None or not reading.same_as(refused.reading):
                found[key] = reading
        return {**self._held_back_by(returned), **found}

    def _held_back_by(self, keys: Set[str]) -> dict[str, Reading]:
        """What was refused for the company of `keys` alone, which are back to what runs."""
        found = {}
        for key in sorted(self._pending.held_back(keys)):
            refused, reading = self._pending.find(key), self._catalog.read(key)
            if refused is not None and refused.outcome is not None:
                found[key] = reading
        return found

    def _keep_up(self, record: PluginRecord, reading: Reading) -> None:
        """A plugin that the operator keeps out of service was saved or deleted."""
        self._catalog.put(record.key, reading.candidate)
        if reading.candidate is None:
            self._recorder.remove(record)
        elif reading.candidate.manifest != record.manifest:
            self._recorder.publish(replace(record, manifest=reading.candidate.manifest))

    def _touched(self, batch: ChangeBatch) -> set[str]:
        """Keys of the plugins that a batch may have changed."""
        names = {self._project.relative(p) for p in batch.paths}
        if SETTINGS_FILE in names:
            self._on_settings()
        if any(n.startswith("validators/") for n in names):
            self._on_validators()
        known = set(self._catalog.known) | set(self._pending.keys())
        below = {plugin_of(self._project, p) for p in batch.paths}
        keys = {k for k in below if k is not None}
        if batch.complete:
            keys |= set(self._catalog.discover()) | known
        if batch.complete or names & {"config/plugins.yaml", "config/environments.yaml"}:
            for problem in self._catalog.configuration.read():
                self._recorder.notice("error", problem.message, hint=problem.hint)
            keys |= self._catalog.on_disk(known)
        return (keys & known) | self._catalog.on_disk(keys)

    def _back_to_running(self, record: PluginRecord) -> None:
        """The content on disk is what runs again: whatever was refused is of no interest."""
        self._pending.forget([record.key])
        if record.generation is None:
            self._catalog.put(record.key, None)
            self._recorder.remove(record)
            return
        self._recorder.publish(
            replace(
                record,
                diagnostics=(),
                pending=False,
                reason=f"g{record.generation.number} is what is on disk",
            )
        )
        self._recorder.notice("info", f"{record.name}: back to the running version")

    def list_as_pending(self, changed: Mapping[str, Reading]) -> None:
        """Notes changes that wait to be asked for."""
        self._pending.refuse(
            Refused(reading=r, companions=frozenset(changed)) for r in changed.values()
        )
        for key in changed:
            record = self._system.registry.view.find(key)
            if record is not None:
                self._recorder.publish(replace(record, pending=True))
            self._recorder.notice(
                "info",
                f"{key}: changed on disk, not reloaded",
                hint=f"`sysctl plugins reload {key}` makes it live (reload.automatic is false)",
            )
