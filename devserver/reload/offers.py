"""Who could provide what is asked for, as far as its text tells."""

from __future__ import annotations

from devserver.reload.catalog import Catalog
from devserver.runtime.registry import PluginRecord, Registry
from devserver.validation.host_use import PROVIDED


class Offers:
    """Looks through what is known of all plugins, also of those that do not serve."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog

    def of_service(self, name: str) -> list[PluginRecord]:
        """Plugins that register a service of that name or declare it."""
        return [
            record
            for key, record in self._registry.view.plugins.items()
            if name in record.manifest.services or self._registers(key, name)
        ]

    def _registers(self, key: str, name: str) -> bool:
        candidate = self._catalog.known.get(key)
        return candidate is not None and name in candidate.use.names(PROVIDED)
