"""Configuration overrides and data that plugins set while they run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from devserver.core.errors import DatabaseUnavailable
from devserver.core.values import Changes

_log = logging.getLogger("devserver.store")


class KeptValues(Protocol):
    """Where values are kept; every call may raise DatabaseUnavailable."""

    def overrides(self, plugin: str) -> dict[str, str]:
        """All configuration overrides of a plugin, as JSON text by key."""

    def find_data(self, plugin: str, key: str) -> str | None:
        """JSON text, None where there is none."""

    def put(self, changes: Mapping[str, Changes]) -> None:
        """Keeps the changes of all these plugins, or none of them."""


class InMemory:
    """KeptValues for as long as the server runs."""

    def __init__(self) -> None:
        self._kept: dict[str, Changes] = {}

    def overrides(self, plugin: str) -> dict[str, str]:
        kept = self._kept.get(plugin)
        return {} if kept is None else _present(kept.config)

    def find_data(self, plugin: str, key: str) -> str | None:
        kept = self._kept.get(plugin)
        return None if kept is None else kept.data.get(key)

    def put(self, changes: Mapping[str, Changes]) -> None:
        for plugin, changed in changes.items():
            kept = self._kept.setdefault(plugin, Changes())
            kept.config.update(changed.config)
            kept.data.update(changed.data)


class RunTimeValues:
    """What all plugins have set. Overrides are read once and remembered: the configuration is
    asked for often. Thread-safe."""

    def __init__(self) -> None:
        self._kept: KeptValues = InMemory()
        self._overrides: dict[str, dict[str, Any]] = {}
        self._news: dict[str, Mapping[str, str | None]] = {}
        self._lock = threading.Lock()

    def keep_in(self, kept: KeptValues) -> None:
        """Values are kept there from now on; to be called before any plugin is loaded."""
        self._kept = kept
        self.forget()

    def forget(self) -> None:
        """Overrides are read anew: another instance may have changed them."""
        with self._lock:
            self._overrides.clear()

    def overrides(self, plugin: str) -> Mapping[str, Any]:
        """Key → value of what was set at run time; nothing while that cannot be read, which is
        logged: a plugin's configuration is asked for everywhere."""
        known = self._overrides.get(plugin)
        if known is None:
            try:
                with self._lock:
                    known = self._overrides[plugin] = parsed(self._kept.overrides(plugin))
            except DatabaseUnavailable as error:
                _log.warning("%s goes without what was set at run time: %s", plugin, error.message)
                return {}
        return known

    def news(self, plugin: str) -> dict[str, str | None]:
        """What another instance has set since overrides were read here: JSON text, None for what
        it took out; nothing while that cannot be read."""
        known = {key: json.dumps(value) for key, value in self.overrides(plugin).items()}
        try:
            kept = self._kept.overrides(plugin)
        except DatabaseUnavailable:
            return {}
        texts = {key: json.dumps(json.loads(text)) for key, text in kept.items()}
        changed = {key: text for key, text in texts.items() if known.get(key) != text}
        news = {**changed, **dict.fromkeys(known.keys() - kept.keys())}
        self._news[plugin] = news
        return news

    def as_kept(self, plugin: str, keys: Iterable[str]) -> Changes:
        """What puts these overrides back to what they are now."""
        now = self.overrides(plugin)
        return Changes(config={k: json.dumps(now[k]) if k in now else None for k in keys})

    def get_data(self, plugin: str, key: str) -> str | None:
        """JSON text. Raises DatabaseUnavailable."""
        return self._kept.find_data(plugin, key)

    def put(self, changes: Iterable[tuple[str, Changes]]) -> None:
        """Keeps all changes of all these plugins, or none. Raises DatabaseUnavailable."""
        changed = {plugin: one for plugin, one in changes if one.config or one.data}
        if not changed:
            return
        with self._lock:
            self._kept.put({p: self._to_be_kept(p, one) for p, one in changed.items()})
            for plugin, one in changed.items():
                known = self._overrides.get(plugin)
                if known is not None and one.config:
                    left = {key: value for key, value in known.items() if key not in one.config}
                    self._overrides[plugin] = {**left, **parsed(one.config)}

    def _to_be_kept(self, plugin: str, changes: Changes) -> Changes:
        """Without what was read as another instance's: it is kept, and what that instance has
        set since must not be written over."""
        news = self._news.pop(plugin, {})
        own = {k: v for k, v in changes.config.items() if k not in news or news[k] != v}
        return Changes(config=own, data=changes.data)


def parsed_changes(texts: Mapping[str, str | None]) -> dict[str, Any]:
    """The values of JSON texts; None for those that are taken out."""
    return {key: None if text is None else json.loads(text) for key, text in texts.items()}


def _present(texts: Mapping[str, str | None]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text is not None}


def parsed(texts: Mapping[str, str | None]) -> dict[str, Any]:
    """The values of JSON texts, without those that are taken out."""
    return {key: json.loads(text) for key, text in _present(texts).items()}
