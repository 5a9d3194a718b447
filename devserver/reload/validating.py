"""Has the pipeline judge what is to go live, in the world that it would live in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from devserver.core.config_layers import with_overrides
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.names import normalise
from devserver.reload.catalog import Catalog, Reading
from devserver.runtime.registry import SystemView
from devserver.runtime.system import PluginSystem
from devserver.runtime.values import parsed_changes
from devserver.validation.candidate import World
from devserver.validation.pipeline import Pipeline

_MISSES_A_PLUGIN = frozenset({"DEP001", "IMP003"})


def findings(
    readings: Mapping[str, Reading], pipeline: Pipeline, *, system: PluginSystem, catalog: Catalog
) -> Iterator[Diagnostic]:
    """What is found on readings that the catalog knows already; of plugins that miss what goes
    but do not serve, as warnings, just that."""
    present = {k for k, r in readings.items() if r.candidate is not None}
    bereft = {d for k in set(readings) - present for d in catalog.graph.dependents(k)}
    bereft = bereft & set(catalog.known) - present
    view = system.registry.view
    running = {
        k: r.generation.candidate for k, r in view.plugins.items() if r.generation is not None
    }
    world = World(
        plugins=catalog.known,
        running=running,
        changed=frozenset(present | bereft),
        disabled=frozenset(k for k, r in view.plugins.items() if r.withheld) - present,
        unreadable=catalog.unreadable,
        overrides={k: _overrides(readings[k], system) for k in present},
        configured={k: _configured(k, view) for k in present},
    )
    idle = bereft - running.keys()
    for found in pipeline.run(world).diagnostics:
        if normalise(found.plugin or "") not in idle:
            yield found
        elif found.is_error and found.code in _MISSES_A_PLUGIN:
            yield replace(found, severity=Severity.WARNING)


def _overrides(reading: Reading, system: PluginSystem) -> dict[str, Any]:
    """What is set at run time, once it is live."""
    overrides = system.values.overrides(reading.key)
    return with_overrides({}, overrides, parsed_changes(reading.changes))


def _configured(key: str, view: SystemView) -> frozenset[str]:
    """The keys that have a value in what runs."""
    generation = view.generation(key)
    config = {} if generation is None else generation.host.config()
    return frozenset(k for k, v in config.items() if v is not None)
