"""The events of one plugin that its listeners have not had yet."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType

from devserver.runtime.generation import Subscription
from devserver.sdk.context import Event

LaneKey = tuple[str, str, int]
"""The topic, what the listener is called, and its number among those that are alike: what a
subscription of the next generation is recognised by."""
UNKNOWN: LaneKey = ("", "", 0)
"""Stands for listeners that only the next generation has."""


@dataclass(slots=True)
class Lane:
    """The queue of one listener. `busy` while somebody works on it."""

    topic: str
    queue: deque[Event] = field(default_factory=deque)
    busy: bool = False

    def takes(self, event: Event) -> bool:
        """True for an event that the listener is to have."""
        return Subscription.covers(self.topic, event.topic)


class Mailbox:
    """Each listener has a lane: it gets its events in order, and delays no other.

    It knows lanes by key alone, and so keeps no generation alive; not thread-safe. `limit` is how
    many events may wait for one listener.
    """

    def __init__(self, limit: int) -> None:
        self.lanes: dict[LaneKey, Lane] = {}
        self.overflown: set[LaneKey] = set()
        """Those for whom something was dropped since they last had all of their events."""
        self.ushered = False
        """True while somebody waits at the gate to see what the next generation listens to."""
        self._held: list[Event] = []
        self._limit = limit

    def put(
        self, event: Event, subscriptions: Sequence[Subscription], *, held: bool
    ) -> list[LaneKey]:
        """Queues an event; `held` while the plugin is being replaced: its successor may listen
        to more. Gives the listeners that it is too much for: they do not get it."""
        full = []
        if not held or not self.lanes:
            self.adopt(subscriptions, settled=not held)
        queues = {key: lane.queue for key, lane in self.lanes.items() if lane.takes(event)}
        for key, queue in queues.items():
            if len(queue) < self._limit:
                queue.append(event)
            else:
                full.append(key)
        if held and len(self._held) < self._limit:
            self._held.append(event)
        elif held and not queues:
            full.append(UNKNOWN)
        return full

    def adopt(self, subscriptions: Sequence[Subscription], *, settled: bool = True) -> None:
        """The plugin listens to these. What was queued for listeners that are gone, or came while
        it was being replaced, goes to those that are new."""
        keys = lane_keys(subscriptions)
        new = [key for key in keys if key not in self.lanes]
        gone = [key for key in self.lanes if key not in keys]
        if settled:
            waiting = {event.id: event for event in self._held}
            for key in gone:
                waiting.update((event.id, event) for event in self.lanes.pop(key).queue)
            self._held.clear()
        else:
            waiting = {}
        for key in new:
            events = (waiting[n] for n in sorted(waiting))
            fitting = (e for e in events if Subscription.covers(key[0], e.topic))
            self.lanes[key] = Lane(key[0], deque(fitting))

    def ready(self) -> Iterable[LaneKey]:
        """Lanes that have events and nobody who works on them."""
        return [key for key, lane in self.lanes.items() if lane.queue and not lane.busy]

    def rest(self, key: LaneKey) -> None:
        """A listener has had all of its events."""
        self.lanes[key].busy = False
        self.overflown.discard(key)

    def events(self) -> Iterator[tuple[LaneKey, Event]]:
        """What waits, and for whom."""
        queued = set()
        for key, lane in self.lanes.items():
            for event in lane.queue:
                queued.add(event.id)
                yield key, event
        yield from ((UNKNOWN, event) for event in self._held if event.id not in queued)

    def exchange(self, events: Mapping[int, Event]) -> None:
        """Puts these in the places of those that have their numbers."""
        queues: list[MutableSequence[Event]] = [self._held, *(e.queue for e in self.lanes.values())]
        for queue in queues:
            for index, event in enumerate(queue):
                queue[index] = events.get(event.id, event)

    @property
    def length(self) -> int:
        """How many calls of listeners are due."""
        return sum(len(lane.queue) for lane in self.lanes.values())

    @property
    def is_idle(self) -> bool:
        """True when nothing is queued and nobody at work."""
        return not self.ushered and not any(e.queue or e.busy for e in self.lanes.values())


def lane_keys(subscriptions: Iterable[Subscription]) -> dict[LaneKey, Subscription]:
    """Subscriptions by what they are recognised by, in order."""
    seen: Counter[tuple[str, str]] = Counter()
    found: dict[LaneKey, Subscription] = {}
    for subscription in subscriptions:
        name = listener_name(subscription.listener)
        alike = (subscription.topic, name)
        found[*alike, seen[alike]] = subscription
        seen[alike] += 1
    return found


def listener_name(listener: object) -> str:
    """What a listener is called; runs no code of a plugin."""
    function = listener.__func__ if type(listener) is MethodType else listener
    return function.__qualname__ if type(function) is FunctionType else type(listener).__name__
