"""What of the feed is about one plugin and those that depend on it."""

from __future__ import annotations

from devserver.core.names import normalise
from devserver.reload.journal import FeedEvent
from devserver.runtime.registry import Registry

_ABOUT_PLUGINS = ("outcome", "started", "plugins")


class Family:
    """A plugin with its dependents, however far. Who was one when it began, or became one since,
    counts to the end: it is told, too, that it is one no more."""

    def __init__(self, key: str, registry: Registry) -> None:
        self._key = key
        self._registry = registry
        self._known: set[str] = set()
        self._learn()

    def concerns(self, event: FeedEvent) -> bool:
        """True for what is about one of them, or about the server as a whole."""
        self._learn()
        if event.kind in _ABOUT_PLUGINS:
            return any(normalise(name) in self._known for name in event.payload["plugins"])
        if event.kind == "notice":
            plugin = event.payload.get("plugin")
            return plugin is None or normalise(plugin) in self._known
        return event.kind == "settings"

    def _learn(self) -> None:
        above: dict[str, list[str]] = {}
        for edge in self._registry.view.edges:
            above.setdefault(edge.target, []).append(edge.source)
        waiting = [self._key]
        while waiting:
            key = waiting.pop()
            self._known.add(key)
            waiting += [k for k in above.get(key, ()) if k not in self._known]
