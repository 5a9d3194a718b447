"""Which refused plugins are tried once more together with others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from devserver.core.settings import Settings
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.pending import Pending
from devserver.runtime.system import PluginSystem

_LIMIT = 1.0
"""Seconds for each hook and module of what ran out of time before."""


class Company:
    """Looks at what is pending."""

    def __init__(self, *, system: PluginSystem, catalog: Catalog, pending: Pending) -> None:
        self._system = system
        self._catalog = catalog
        self._pending = pending

    def of(self, readings: Mapping[str, Reading], settled: Collection[str]) -> dict[str, Reading]:
        """Refused plugins that belong to `readings`, as they are on disk now."""
        keys = self._pending.related(readings, self._catalog.graph).keys() - settled
        read = {key: self._catalog.read(key) for key in sorted(keys)}
        fresh = {k: r for k, r in read.items() if not self._pending.failed_probation(r)}
        view = self._system.registry.view
        return {k: r for k, r in fresh.items() if not r.is_like(view.generation(k))}

    def settings_for(self, related: Mapping[str, Reading], settings: Settings) -> Settings:
        """The settings for trying `related` once more with others, which are not to wait long
        for content that ran out of time before."""
        refused = {key: self._pending.find(key) for key in related}
        if not any(
            r is not None and r.ran_out_of_time and r.reading.same_as(related[key])
            for key, r in refused.items()
        ):
            return settings
        limit = min(settings.reload.timeout, _LIMIT)
        brief = settings.reload.model_copy(update={"timeout": limit})
        return settings.model_copy(update={"reload": brief})
