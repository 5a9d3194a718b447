"""Which plugins need not be replaced for what has changed."""

from __future__ import annotations

from collections.abc import Mapping

from devserver.core.config_layers import alike
from devserver.reload.catalog import Catalog, Reading
from devserver.runtime.asked import offers
from devserver.runtime.lifecycle import CONFIG_HOOK
from devserver.runtime.system import PluginSystem


def staying(
    readings: Mapping[str, Reading], *, system: PluginSystem, catalog: Catalog
) -> dict[str, bool]:
    """The plugins whose generation stays, since nothing but configuration differs, each with
    whether it takes that live: where it has the same effect as what it has, it need not."""
    found = {}
    for key, reading in readings.items():
        generation = system.registry.view.generation(key)
        if generation is None or not catalog.has_same_code(reading, generation):
            continue
        effective = reading.effective(system.values.overrides(key))
        is_same = alike(dict(generation.host.config()), effective)
        is_affected = not is_same or generation.config.depends != reading.config.depends
        if not is_affected or offers(generation.plugin, CONFIG_HOOK):
            found[key] = is_affected
            catalog.put(key, reading.candidate, generation.table.imported)
    return found
