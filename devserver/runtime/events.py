"""The event bus: a queue for each listener."""

from __future__ import annotations

import contextvars
import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from devserver.core.errors import DevServerError, PluginUnavailable
from devserver.runtime.event_log import Delivery, EventLog, readable
from devserver.runtime.gate import Gate
from devserver.runtime.generation import Generation, Subscription
from devserver.runtime.limited import LimitedWork
from devserver.runtime.listener_calls import ListenerCalls
from devserver.runtime.loop import PluginLoop
from devserver.runtime.mailbox import LaneKey, Mailbox, lane_keys
from devserver.runtime.registry import PluginRecord, Registry
from devserver.runtime.secrets import Secrets
from devserver.runtime.topics import check_topic
from devserver.runtime.waiting_events import WaitingEvents
from devserver.sdk.context import Event

_log = logging.getLogger("devserver.events")

QUEUE_LIMIT = 10_000
"""How many events may wait for one listener."""


class EventBus:
    """Delivers events to the generation that is live when their turn comes.

    Each listener has a queue of its own: one that is slow, raises or hangs delays nobody else,
    each gets its events in the order in which they were published, and what arrives while a
    plugin is being reloaded waits for its new generation. What is published to a listener that
    `limit` events wait for already is dropped for it, and told: nothing grows for ever.
    """

    def __init__(
        self,
        registry: Registry,
        gate: Gate,
        loop: PluginLoop,
        *,
        secrets: Secrets,
        on_error: Callable[[str, str, BaseException], object],
        workers: int = 256,
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self._registry = registry
        self._gate = gate
        self._loop = loop
        self._secrets = secrets
        self._limit = limit
        self._boxes: dict[str, Mailbox] = {}
        self._early: list[tuple[Event, Any]] | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="events")
        self.log = EventLog()
        self.calls = ListenerCalls(self.log, secrets=secrets, on_error=on_error)

    def publish(self, topic: str, data: Any, plugin: str) -> None:
        """Queues an event for every listener to its topic.

        Raises TypeError as `check_topic` does.
        """
        check_topic(topic)
        # It may call what is not ours: not under the lock.
        shown = readable(data, self._secrets.all())
        with self._lock:  # the order of the numbers is that of the queues
            event = Event(
                topic=topic, data=data, plugin=plugin, time=time.time(), id=next(self._ids)
            )
            if self._stopped:
                return
            if self._early is not None and len(self._early) < self._limit:
                self._early.append((event, shown))
                return
            full = [*self._let_out(), *self._publish(event, shown)]
        _tell_full(full)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """What is published meanwhile goes out at the end, or once it fills a queue: plugins that
        are loaded later hear it too."""
        with self._lock:
            self._early = []
        try:
            yield
        finally:
            with self._lock:
                full = self._let_out()
            _tell_full(full)

    def waiting_for(self, plugins: Collection[str]) -> WaitingEvents:
        """What these plugins (their keys) have not heard yet."""
        return WaitingEvents(self._boxes, self._lock, plugins)

    def queued(self, key: str) -> int:
        """How many calls of a plugin's listeners are due."""
        with self._lock:
            box = self._boxes.get(key)
            return 0 if box is None else box.length

    def stop(self) -> None:
        """Drops what is queued, and what is still published. Listeners that are at work go on."""
        with self._lock:
            self._stopped = True
            lost = sum(box.length for box in self._boxes.values())
            self._boxes.clear()
        if lost:
            _log.warning("events that listeners had not had when the server stopped: %d", lost)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _let_out(self) -> list[str]:
        """What was gathered goes out; gives what is to be told."""
        early, self._early = self._early or (), None
        return [text for event, shown in early for text in self._publish(event, shown)]

    def _publish(self, event: Event, shown: Any) -> list[str]:
        """Gives what is to be told of listeners that it is too much for."""
        puts = [(key, *self._put(key, event, r)) for key, r in self._registry.view.plugins.items()]
        self.log.published(event, shown, listeners=sum(matching for _, matching, _ in puts))
        told = []
        for key, _, full in puts:
            for lane in full:
                text = f"{self._limit} events wait for {lane[1] or 'its listeners'} of {key!r}"
                dropped = Delivery(plugin=key, listener=lane[1], result="dropped", error=text)
                self.log.delivered(event, dropped)
                if lane not in self._boxes[key].overflown:
                    self._boxes[key].overflown.add(lane)
                    told.append(text)
        return told

    def _put(self, key: str, event: Event, record: PluginRecord) -> tuple[int, list[LaneKey]]:
        """How many listen, and those of them that it is too much for."""
        generation = record.generation
        if generation is None and not _awaits(record, event.topic):
            return 0, []
        listened = () if generation is None else generation.subscriptions
        held = generation is None or generation.hold is not None
        matching = sum(s.matches(event.topic) for s in listened)
        if not held and not matching:
            return 0, []
        box = self._boxes.setdefault(key, Mailbox(self._limit))
        full = box.put(event, listened, held=held)
        if not held:
            self._start(key, box)
        elif not box.ushered:
            box.ushered = True
            self._submit(self._usher, key)
        return matching, full

    def _submit(self, function: Callable[..., None], *arguments: Any) -> None:
        # A context of its own: an event is not part of the work that published it.
        self._pool.submit(contextvars.Context().run, function, *arguments)

    def _start(self, key: str, box: Mailbox) -> None:
        for lane in box.ready():
            box.lanes[lane].busy = True
            self._submit(self._drain, key, lane)

    def _usher(self, key: str) -> None:
        """Waits for the end of a swap, and sees what is listened to then."""
        try:
            with self._gate.inside(key, "events that wait") as flight:
                subscriptions = flight.generation.subscriptions
        except DevServerError:
            if not self._drop(key):
                self._submit(self._usher, key)  # the swap takes longer than anybody waits
            return
        with self._lock:
            box = self._boxes.get(key)
            if box is not None:
                box.ushered = False
                box.adopt(subscriptions)
                self._start(key, box)
                self._forget_idle(key, box)

    def _drain(self, key: str, lane: LaneKey) -> None:
        work = LimitedWork(self._loop, f"events-{key}")
        try:
            while (event := self._next(key, lane)) is not None:
                try:
                    self._deliver(key, lane, event, work)
                except BaseException:  # noqa: BLE001 - what comes behind it must arrive all the same
                    _log.exception("event %s: it could not be delivered to %s", event.topic, key)
        finally:
            work.close()

    def _next(self, key: str, lane: LaneKey) -> Event | None:
        """The listener's next event, which stays where it is; None when there is none and its
        lane is at rest."""
        with self._lock:
            box = self._boxes.get(key)
            known = None if box is None else box.lanes.get(lane)
            if box is None or known is None:
                return None
            if known.queue:
                return known.queue[0]
            box.rest(lane)
            self._forget_idle(key, box)
            return None

    def _forget_idle(self, key: str, box: Mailbox) -> None:
        if box.is_idle:
            self._boxes.pop(key, None)

    def _deliver(self, key: str, lane: LaneKey, event: Event, work: LimitedWork) -> None:
        try:
            with self._gate.inside(key, f"event {event.topic}") as flight:
                subscription = self._claim(key, lane, event, flight.generation)
                if subscription is not None:
                    self.calls.call(event, subscription.listener, key, lane[1], work)
        except PluginUnavailable:
            self._drop(key)
        except BaseException:  # whatever went wrong, it is not tried for ever
            self._take(key, lane, event)
            raise

    def _claim(
        self, key: str, lane: LaneKey, event: Event, generation: Generation
    ) -> Subscription | None:
        """Takes an event out for the listener that the generation has there; None when it has
        none: then the event is queued where it belongs now."""
        with self._lock:
            box = self._boxes.get(key)
            if box is None:
                return None
            box.adopt(generation.subscriptions)
            self._start(key, box)
            known = box.lanes.get(lane)
            if known is None or not known.queue or known.queue[0] is not event:
                return None
            known.queue.popleft()
            return lane_keys(generation.subscriptions)[lane]

    def _take(self, key: str, lane: LaneKey, event: Event) -> None:
        with self._lock:
            box = self._boxes.get(key)
            known = None if box is None else box.lanes.get(lane)
            if known is not None and known.queue and known.queue[0] is event:
                known.queue.popleft()

    def _drop(self, key: str) -> bool:
        """Drops what waits for a plugin that is gone. False for one that hears again."""
        with self._lock:
            if self._registry.view.generation(key) is not None:
                return False
            box = self._boxes.pop(key, None)
        lost = [] if box is None else list(box.events())
        for lane, event in lost:
            self.log.delivered(event, Delivery(plugin=key, listener=lane[1], result="dropped"))
        _log.debug("%d events dropped: %s is gone", len(lost), key)
        return True


def _awaits(record: PluginRecord, topic: str) -> bool:
    """True for a plugin that is loaded at its first use, which this event is."""
    declared = record.manifest.events.subscribes if record.awaits_use else ()
    return any(Subscription.covers(pattern, topic) for pattern in declared)


def _tell_full(texts: Collection[str]) -> None:
    for text in texts:
        _log.warning("%s: what comes is dropped for it until it has caught up", text)
