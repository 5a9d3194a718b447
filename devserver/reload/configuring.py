"""Changes what overrides the configuration of a plugin, as an ordinary transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devserver.core.config_layers import with_overrides
from devserver.core.diagnostics import Diagnostic, has_errors
from devserver.core.errors import PluginNotFound
from devserver.core.outcome import Outcome, Result
from devserver.core.secrets import without_masks
from devserver.core.values import Changes
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.cause import Cause
from devserver.reload.judge import Judge
from devserver.reload.lazy import LazyLoading
from devserver.reload.pending import Pending
from devserver.reload.queue import Configure
from devserver.reload.refused_again import as_before
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem
from devserver.runtime.values import parsed_changes
from devserver.validation.candidate import Candidate
from devserver.validation.override_check import override_findings

_AS_IT_IS = "has that configuration already"


class Configuring:
    """Carries out the command Configure, on the reloader's thread."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        catalog: Catalog,
        judge: Judge,
        pending: Pending,
        lazy: LazyLoading,
    ) -> None:
        self._system = system
        self._catalog = catalog
        self._judge = judge
        self._pending = pending
        self._lazy = lazy

    def configure(self, command: Configure, arrived: float) -> Outcome:
        """What was asked for is in force and kept, or nothing of it. What is on disk but refused
        stays so: the change is for what serves. A plugin that is out of service is not loaded.

        Raises PluginNotFound.
        """
        record = self._system.registry.view.find(command.key)
        reading = None if record is None else self._reading(record)
        if record is None or reading is None or reading.candidate is None:
            raise PluginNotFound(command.key)
        if command.changes is None:
            changes = parsed_changes(self._system.values.news(command.key))
            if not changes:
                return _unchanged(record, _AS_IT_IS)
        else:
            changes = without_masks(command.changes, reading.candidate.manifest)
        found = self._findings(reading, reading.candidate, changes)
        texts = {} if has_errors(found) else _texts(changes)
        reading = replace(reading, changes=texts)
        if (record.withheld or record.awaits_use) and not has_errors(found):
            return self._keep(record, texts)
        notes = (_told(changes),)
        cause = Cause(trigger=command.trigger, arrived=arrived, aside=True, notes=notes)
        serves = record.generation is not None
        refused = self._pending.find(command.key)
        if not serves:
            reading = replace(reading, problems=(*reading.problems, *found))
        outcome = self._judge.judge_aside(reading, cause, found if serves else None)
        failed = outcome is not None and not outcome.success
        if failed or (serves and refused is not None):
            registry = self._system.registry
            as_before(record, refused, pending=self._pending, registry=registry)
        return outcome or _unchanged(record, _AS_IT_IS)

    def _findings(
        self, reading: Reading, candidate: Candidate, changes: Mapping[str, Any]
    ) -> tuple[Diagnostic, ...]:
        overrides = self._system.values.overrides(reading.key)
        now = with_overrides(reading.config, overrides, changes)
        known = {*reading.config, *overrides}
        return tuple(override_findings(candidate, changes, now=now, known=known))

    def _reading(self, record: PluginRecord) -> Reading | None:
        """What runs, else what is on disk."""
        generation = record.generation
        if generation is None:
            self._catalog.configuration.read()
            self._catalog.discover()
            return self._catalog.read(record.key)
        return Reading(key=record.key, candidate=generation.candidate, config=generation.config)

    def _keep(self, record: PluginRecord, texts: Mapping[str, str | None]) -> Outcome:
        self._system.values.put([(record.key, Changes(config=dict(texts)))])
        self._lazy.configured(record)
        return _unchanged(record, f"is {record.status}: its configuration is kept for later")


def _texts(changes: Mapping[str, Any]) -> dict[str, str | None]:
    return {key: None if value is None else json.dumps(value) for key, value in changes.items()}


def _unchanged(record: PluginRecord, fact: str) -> Outcome:
    return Outcome(
        plugin=record.name,
        plugins=(record.name,),
        result=Result.UNCHANGED,
        message=f"Plugin {record.name} {fact}",
        generation=0 if record.generation is None else record.generation.number,
    )


def _told(changes: Mapping[str, Any]) -> str:
    """Which keys, never which values."""
    set_now = sorted(k for k, v in changes.items() if v is not None)
    gone = sorted(k for k, v in changes.items() if v is None)
    parts = [f"set {', '.join(set_now)}"] if set_now else []
    parts += [f"taken back {', '.join(gone)}"] if gone else []
    return f"configuration: {'; '.join(parts) or 'nothing'}"
