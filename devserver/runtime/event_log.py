"""The last events, for whoever wants to see what plugins tell each other."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from devserver.core.names import normalise
from devserver.runtime.generation import Subscription
from devserver.runtime.readable import Readable
from devserver.sdk.context import Event

_NODES, _CHARACTERS = 200, 4_000
"""How much of an event's data is kept."""
_TOPICS = 1_000
"""How many topics of all plugins are counted by themselves; topics may be made of numbers."""
OTHER = "(other topics)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One call of a listener. `result` is delivered, failed, hung or dropped; `ms` how long it
    took, `error` what it raised in words."""

    plugin: str
    listener: str
    result: str
    ms: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "plugin": self.plugin,
            "listener": self.listener,
            "result": self.result,
            "ms": round(self.ms, 3),
            "error": self.error,
        }


@dataclass(slots=True, kw_only=True)
class _Entry:
    event: dict[str, Any]
    expected: int
    deliveries: list[Delivery] = field(default_factory=list)


class EventLog:
    """Keeps the last `capacity` events as JSON, secrets masked: no object of a plugin stays
    alive for it. Counts are of the whole run."""

    def __init__(self, capacity: int = 500) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._published: Counter[tuple[str, str]] = Counter()
        self._results: Counter[tuple[str, str]] = Counter()

    def published(self, event: Event, data: Any, *, listeners: int) -> None:
        """An event was queued for so many listeners; `data` as `readable` shows it."""
        shown = {
            "id": event.id,
            "topic": event.topic,
            "plugin": event.plugin,
            "time": event.time,
            "data": data,
        }
        with self._lock:
            counted = (event.plugin, event.topic)
            if len(self._published) >= _TOPICS and counted not in self._published:
                counted = (event.plugin, OTHER)
            self._published[counted] += 1
            self._entries[event.id] = _Entry(event=shown, expected=listeners)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def delivered(self, event: Event, delivery: Delivery) -> None:
        """A listener has had an event, or cannot have it."""
        with self._lock:
            self._results[delivery.plugin, delivery.result] += 1
            entry = self._entries.get(event.id)
            if entry is not None:
                entry.deliveries.append(delivery)

    def recent(
        self,
        *,
        plugin: str | None = None,
        topic: str | None = None,
        limit: int = 100,
        after: int = 0,
    ) -> list[dict[str, Any]]:
        """Events with a higher id than `after`, newest first: `{id, topic, plugin, time, data,
        listeners, deliveries: [{plugin, listener, result, ms, error}]}`. `plugin` is who published
        or heard it, `topic` may end in `.*`."""
        wanted = None if plugin is None else normalise(plugin)
        with self._lock:
            entries = [e for n, e in reversed(self._entries.items()) if n > after]
            found = (
                entry
                for entry in entries
                if (topic is None or Subscription.covers(topic, entry.event["topic"]))
                and (wanted is None or wanted in _parties(entry))
            )
            return [_told(entry) for entry in islice(found, limit)]

    def topics(self, plugin: str) -> dict[str, int]:
        """How often a plugin (its key) has published each topic; those beyond the first thousand
        are counted together."""
        with self._lock:
            return {t: n for (p, t), n in sorted(self._published.items()) if p == plugin}

    def results(self) -> dict[tuple[str, str], int]:
        """(plugin, result) → how many calls of its listeners ended so."""
        with self._lock:
            return dict(self._results)


def readable(data: Any, secrets: Collection[str] = ()) -> Any:
    """The data of an event as JSON, cut where it is long; `secrets` do not appear."""
    return Readable(secrets, nodes=_NODES, characters=_CHARACTERS).of(data)


def _parties(entry: _Entry) -> set[str]:
    return {entry.event["plugin"], *(d.plugin for d in entry.deliveries)}


def _told(entry: _Entry) -> dict[str, Any]:
    return {
        **entry.event,
        "listeners": entry.expected,
        "deliveries": [d.to_json() for d in entry.deliveries],
    }
