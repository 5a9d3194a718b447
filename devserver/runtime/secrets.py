"""The secret values that plugins are configured with."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from devserver.core.manifest import Manifest
from devserver.core.secrets import masked, secret_texts


class Secrets:
    """The secret values that each plugin has been configured with in this run, also those that
    are replaced by now: what still tells of them must not show them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, frozenset[str]] = {}
        self._all: frozenset[str] = frozenset()

    def learn(self, plugin: str, config: Mapping[str, Any], manifest: Manifest) -> None:
        """`plugin` (normalised) has been configured so."""
        found = secret_texts(config, manifest)
        known = self._texts.get(plugin, frozenset())
        if not found <= known:
            with self._lock:
                self._texts[plugin] = self._texts.get(plugin, frozenset()) | found
                self._all |= found

    def of(self, plugins: Iterable[str]) -> frozenset[str]:
        """The values of these plugins (normalised), as texts."""
        return frozenset().union(*(self._texts.get(plugin, frozenset()) for plugin in plugins))

    def all(self) -> frozenset[str]:
        """The values of every plugin, as texts."""
        return self._all

    def mask_all(self, text: str) -> str:
        """Any text without the secrets of all plugins."""
        return masked(text, self._all)

    def mask(self, plugin: str, text: str) -> str:
        """A text about a plugin without its secrets."""
        return masked(text, self.of([plugin]))
