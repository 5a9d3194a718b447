"""The journal: every outcome, and the feed of what happens, for terminal, page and API."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from devserver.core.errors import DatabaseUnavailable
from devserver.core.names import normalise
from devserver.core.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One thing that happened. `kind` is one of

    - `started`: a transaction began: `{plugins, trigger, changes}`
    - `outcome`: it ended: `Outcome.to_json()`
    - `disposed`: the old generation is gone: `{outcome, step}`
    - `plugins`: some plugin's record changed: `{plugins: [name]}` (read /api/plugins again)
    - `settings`: config/hot-loading.yaml was applied or refused: `{ok, diagnostics}`
    - `notice`: anything worth a line: `{level, message, hint, plugin}`
    """

    id: int
    kind: str
    payload: dict[str, Any]


class Past(Protocol):
    """What is known of outcomes beyond this run. Raises DatabaseUnavailable."""

    def last_id(self) -> int:
        """The highest id that was ever given."""
        ...

    def find(self, plugin: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Documents with their `instance`, the newest first."""
        ...

    def find_one(self, number: int) -> dict[str, Any] | None:
        """The document with this id."""
        ...


class Keeping(Protocol):
    """Takes outcomes in, to be kept; quick, and does not raise."""

    def put(self, outcome: Outcome) -> None:
        """A new one, or one that has changed."""
        ...


class Journal:
    """Keeps the last `capacity` outcomes and feed events in memory; thread-safe. `instance`
    stands in the documents of this run."""

    def __init__(self, capacity: int = 1000, *, instance: str = "") -> None:
        self._instance = instance
        self._past: Past | None = None
        self._keeping: Keeping | None = None
        self._condition = threading.Condition()
        self._outcomes: deque[Outcome] = deque(maxlen=capacity)
        self._events: deque[FeedEvent] = deque(maxlen=capacity)
        self._event_ids = itertools.count(1)
        self._outcome_ids = itertools.count(1)
        self._listeners: list[Callable[[FeedEvent, Outcome | None], None]] = []
        self._wakes = 0

    def listen(self, listener: Callable[[FeedEvent, Outcome | None], None]) -> None:
        """`listener` is called for every event, with the outcome where the event is one, on
        the thread that records it; it must be quick and must not raise."""
        self._listeners.append(listener)

    def continue_with(self, past: Past, keeping: Keeping) -> None:
        """Numbers go on where `past` ends, and what comes is kept; before the first outcome.

        Raises DatabaseUnavailable when the past cannot be read; what comes is kept all the same.
        """
        self._past, self._keeping = past, keeping
        self._outcome_ids = itertools.count(past.last_id() + 1)

    def record(self, outcome: Outcome) -> Outcome:
        """Keeps an outcome and tells it; gives it back with its id and time."""
        numbered = replace(outcome, id=next(self._outcome_ids), time=outcome.time or time.time())
        with self._condition:
            self._outcomes.append(numbered)
        if self._keeping is not None:
            self._keeping.put(numbered)
        self._tell("outcome", numbered.to_json(), numbered)
        return numbered

    def amend(self, outcome: Outcome, *, tell: bool = False) -> None:
        """Replaces the outcome of the same id; with `tell` it goes to the feed once more."""
        with self._condition:
            for index, known in enumerate(self._outcomes):
                if known.id == outcome.id:
                    self._outcomes[index] = outcome
                    break
        if self._keeping is not None:
            self._keeping.put(outcome)
        if tell:
            self._tell("outcome", outcome.to_json(), outcome)

    def tell(self, kind: str, **payload: Any) -> FeedEvent:
        """Puts an event into the feed."""
        return self._tell(kind, payload, None)

    def outcomes(self, plugin: str | None = None, limit: int = 100) -> list[Outcome]:
        """Newest first; with `plugin` those whose batch held it, in either spelling."""
        with self._condition:
            known = list(self._outcomes)
        wanted = None if plugin is None else normalise(plugin)
        found = (
            o for o in reversed(known) if wanted is None or wanted in map(normalise, o.plugins)
        )
        return list(itertools.islice(found, limit))

    def documents(self, plugin: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Like `outcomes`, with those of earlier runs and other instances, each as JSON with its
        `instance`. What the database does not tell is left out."""
        own = [o.to_json() | {"instance": self._instance} for o in self.outcomes(plugin, limit)]
        known = {o["id"] for o in own}
        with contextlib.suppress(DatabaseUnavailable):
            found = [] if self._past is None else self._past.find(plugin, limit + len(own))
            kept = (o for o in found if o["instance"] != self._instance or o["id"] not in known)
            own = list(heapq.merge(own, kept, key=lambda o: o["time"], reverse=True))
        return own[:limit]

    def document(self, number: int) -> dict[str, Any] | None:
        """The outcome with this id, like in `documents`."""
        with self._condition:
            known = next((o for o in self._outcomes if o.id == number), None)
        if known is not None:
            return known.to_json() | {"instance": self._instance}
        with contextlib.suppress(DatabaseUnavailable):
            return None if self._past is None else self._past.find_one(number)
        return None

    @property
    def last_outcome(self) -> Outcome | None:
        with self._condition:
            return self._outcomes[-1] if self._outcomes else None

    @property
    def last_event_id(self) -> int:
        with self._condition:
            return self._events[-1].id if self._events else 0

    def events_after(self, event_id: int, timeout: float) -> list[FeedEvent]:
        """The events behind `event_id`; waits up to `timeout` seconds for the first of them.

        An `event_id` of an earlier run (higher than any known) counts as 0.
        """
        with self._condition:
            if self._events and event_id > self._events[-1].id:
                event_id = 0
            wakes = self._wakes
            self._condition.wait_for(
                lambda: (
                    wakes != self._wakes or (bool(self._events) and self._events[-1].id > event_id)
                ),
                timeout,
            )
            return [e for e in self._events if e.id > event_id]

    def wake(self) -> None:
        """Lets every waiting reader return, for a stop."""
        with self._condition:
            self._wakes += 1
            self._condition.notify_all()

    def _tell(self, kind: str, payload: dict[str, Any], outcome: Outcome | None) -> FeedEvent:
        with self._condition:
            event = FeedEvent(id=next(self._event_ids), kind=kind, payload=payload)
            self._events.append(event)
            self._condition.notify_all()
        for listener in self._listeners:
            listener(event, outcome)
        return event
