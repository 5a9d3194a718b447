"""Finds out what a batch of changed files means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from devserver.core.changes import ChangeBatch
from devserver.core.config_layers import ENVIRONMENT, PROJECT, alike
from devserver.core.diagnostics import Diagnostic
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Outcome
from devserver.core.settings import SETTINGS_FILE, Settings
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.desired import Desired
from devserver.reload.lazy import LazyLoading
from devserver.reload.pending import Pending, Refused
from devserver.reload.recorder import Recorder
from devserver.runtime.configuration import ENVIRONMENTS_FILE, PLUGINS_FILE
from devserver.runtime.host_settings import MAIN_FILE
from devserver.runtime.project import Project
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem
from devserver.validation.twins import twin_findings


class Intake:
    """Compares what is on disk with what runs, by content.

    `on_settings` is called when the settings file has changed, `on_host_settings` when
    config/main.yaml has, `on_validators` when a check of the project's own has.
    """

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        catalog: Catalog,
        pending: Pending,
        recorder: Recorder,
        desired: Desired,
        lazy: LazyLoading,
        settings: Callable[[], Settings],
        on_settings: Callable[[], None],
        on_host_settings: Callable[[], None],
        on_validators: Callable[[], None],
    ) -> None:
        self._project = project
        self._system = system
        self._catalog = catalog
        self._pending = pending
        self._recorder = recorder
        self._desired = desired
        self._lazy = lazy
        self._settings = settings
        self._on_settings = on_settings
        self._on_host_settings = on_host_settings
        self._on_validators = on_validators
        self._twins: dict[str, set[str]] = {}
        self._unusable: tuple[Diagnostic, ...] = ()
        self._told: set[Diagnostic] = set()

    def changed(self, batch: ChangeBatch) -> dict[str, Reading]:
        """The plugins whose content on disk is neither what runs nor what was refused already."""
        keys = self._touched(batch)
        # What was saved while nothing was automatic goes live when that is over.
        waited = self._pending.untried() if self._settings().reloads_automatically else frozenset()
        keys |= waited
        found = {}
        returned = set()
        for key in sorted(keys):
            reading = self._catalog.read(key)
            twins = self._new_twins(reading)
            record = self._system.registry.view.find(key)
            if record is None and self._desired.withholds(key) and reading.candidate is not None:
                record = self._desired.record_of(reading)
                self._recorder.publish(record)
            if record is not None and record.withheld:
                self._keep_up(record, reading)
                continue
            refused = self._pending.find(key)
            may_wait = refused is None and not self._pending.needs(key)
            if may_wait and self._lazy.takes(record, reading):
                continue
            if reading.is_like(None if record is None else record.generation):
                for twin in twins:  # what is tried is told so by validation
                    self._recorder.notice("warning", twin.message, hint=twin.hint, plugin=key)
                if refused is not None and record is not None:
                    self._back_to_running(record)
                    returned.add(key)
                continue
            if refused is None or key in waited or not reading.same_as(refused.reading):
                found[key] = reading
        return {**self._held_back_by(returned), **found}

    @property
    def has_unusable_files(self) -> bool:
        """True when a file of the project that configures plugins is found to be of no use, and
        this has not been told."""
        return not self._told.issuperset(self._unusable)

    def tell_unusable_files(self, arrived: float) -> Outcome | None:
        """Tells that, once; gives the last outcome."""
        new = [found for found in self._unusable if found not in self._told]
        self._told.update(new)
        outcomes = [
            self._recorder.refuse_file(found, self._configured_in(found.file), arrived)
            for found in new
        ]
        return outcomes[-1] if outcomes else None

    def _configured_in(self, file: str | None) -> list[str]:
        """The names of the plugins that a file of the project configures."""
        layer = PROJECT if file == PLUGINS_FILE else ENVIRONMENT
        sections = self._catalog.configuration.sections()
        plugins = self._system.registry.view.plugins
        keys = sorted(key for key, layers in sections.items() if layer in layers)
        return [plugins[key].name for key in keys if key in plugins]

    def _new_twins(self, reading: Reading) -> list[Diagnostic]:
        """What stands for the same plugin beside it and did not at the last look."""
        if reading.candidate is None:
            self._twins.pop(reading.key, None)
            return []
        found = list(twin_findings(reading.candidate))
        before = self._twins.get(reading.key, set())
        self._twins[reading.key] = {d.message for d in found}
        return [d for d in found if d.message not in before]

    def _held_back_by(self, keys: Set[str]) -> dict[str, Reading]:
        """What was refused for the company of `keys` alone, which are back to what runs."""
        return {key: self._catalog.read(key) for key in sorted(self._pending.held_back(keys))}

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
        if MAIN_FILE in names:
            self._on_host_settings()
        if any(n.startswith("validators/") for n in names):
            self._on_validators()
        known = set(self._catalog.known) | set(self._pending.keys())
        below = {self._catalog.key_of(p) for p in batch.paths}
        keys = {k for k in below if k is not None}
        if batch.complete:
            keys |= set(self._catalog.discover()) | known
        if batch.complete or names & {PLUGINS_FILE, ENVIRONMENTS_FILE}:
            self._unusable = self._catalog.configuration.read()
            self._told &= set(self._unusable)
            keys |= self._configured_anew(known)
        keys |= self._catalog.made_of(names)
        return (keys & known) | self._catalog.on_disk(keys)

    def _configured_anew(self, known: Set[str]) -> set[str]:
        """Those that the project's files say something else of than of what runs, or of which it
        cannot be told so easily."""
        sections, view = self._catalog.configuration.sections(), self._system.registry.view
        found = set(self._pending.keys())
        for key in known:
            generation = view.generation(key)
            mine = sections.get(key, {})
            if generation is None or not alike(generation.config.sections(), mine):
                found.add(key)
        return found

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
        self._recorder.notice("info", "back to the running version", plugin=record.name)

    def list_as_pending(self, changed: Mapping[str, Reading]) -> None:
        """Notes changes that wait to be asked for."""
        self._pending.refuse(
            Refused(reading=r, companions=frozenset(changed)) for r in changed.values()
        )
        for key, reading in changed.items():
            name = reading.name
            record = self._system.registry.view.find(key)
            if record is None:
                record = PluginRecord(
                    name=name, status=PluginStatus.REGISTERED, reason="new on disk, not loaded"
                )
            if record.generation is not None:
                why = f"g{record.generation.number} serves; what is on disk waits to be asked for"
                record = replace(record, reason=why)
            self._recorder.publish(replace(record, pending=True))
            self._recorder.notice(
                "info",
                "changed on disk, not reloaded",
                plugin=name,
                hint=f"`sysctl plugins reload {name}` makes it live (reload.automatic is false)",
            )
