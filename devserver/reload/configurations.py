"""What plugins are configured with, and where each value comes from."""

from __future__ import annotations

from typing import Any

from devserver.core.config_layers import OVERRIDE, LayeredConfig, Origin
from devserver.core.errors import PluginNotFound
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.secrets import is_secret, shown, shown_value
from devserver.reload.catalog import Catalog
from devserver.runtime.system import PluginSystem


class Configurations:
    """Reads; calls may come from any thread."""

    def __init__(self, *, system: PluginSystem, catalog: Catalog) -> None:
        self._system = system
        self._catalog = catalog

    def shown(self, name: str) -> dict[str, Any]:
        """The effective configuration of a plugin, secrets masked. Raises PluginNotFound."""
        layers, manifest, overrides = self._parts(name)
        return shown({**layers, **overrides}, manifest)

    def explained(self, name: str) -> list[dict[str, Any]]:
        """Each key that has a value or is declared: see `explain`. Raises
        PluginNotFound."""
        return explain(*self._parts(name))

    def masked(self, name: str, text: str) -> str:
        """A text about a plugin without its secrets."""
        return self._system.secrets.mask(normalise(name), text)

    def _parts(self, name: str) -> tuple[LayeredConfig, Manifest, dict[str, Any]]:
        record = self._system.registry.view.find(name)
        if record is None:
            raise PluginNotFound(name)
        overrides = dict(self._system.values.overrides(record.key))
        if record.generation is not None:
            return record.generation.config, record.generation.manifest, overrides
        candidate = self._catalog.known.get(record.key)
        if candidate is None:
            return LayeredConfig(), record.manifest, overrides
        config, _ = self._catalog.configuration.effective(candidate.source, candidate.manifest)
        return config, candidate.manifest, overrides


def explain(
    config: LayeredConfig, manifest: Manifest, overrides: dict[str, Any]
) -> list[dict[str, Any]]:
    """`{key, value, layer, file, line, type, required, secret, description}` of each key that
    has a value or is declared, by name; `value` is masked where it is secret, and `layer` None
    where there is no value."""
    rows = []
    for key in sorted({*config, *overrides, *manifest.configuration}, key=str):
        option = manifest.configuration.get(key)
        is_set = key in overrides
        origin = Origin(layer=OVERRIDE) if is_set else config.origin(key)
        value = overrides[key] if is_set else config.get(key)
        rows.append(
            {
                "key": str(key),
                "value": shown_value(str(key), value, manifest),
                "layer": None if origin is None else origin.layer,
                "file": None if origin is None else origin.file,
                "line": None if origin is None else origin.line,
                "type": None if option is None else option.type,
                "required": option is not None and option.required,
                "secret": is_secret(str(key), manifest),
                "description": "" if option is None else option.description,
            }
        )
    return rows
