"""The event bus: a queue for each listener."""

from __future__ import annotations

import contextvars
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devserver.core.errors import (
    CommitFailed,
    DatabaseUnavailable,
    PluginHookFailed,
    PluginUnavailable,
)
from devserver.runtime.event_log import Delivery, EventLog, readable
from devserver.runtime.gate import Gate
from devserver.runtime.generation import Generation, Subscription
from devserver.runtime.limited import LimitedWork
from devserver.runtime.loop import PluginLoop
from devserver.runtime.mailbox import LaneKey, Mailbox, lane_keys
from devserver.runtime.registry import PluginRecord, Registry
from devserver.sdk.context import Event

_log = logging.getLogger("devserver.events")

_LATER = 0.5
"""Seconds. One that blocks the plugin loop is left to who watches that, with the same limit."""


class EventBus:
    """Delivers events to the generation that is live when their turn comes.

    Each listener has a queue of its own: one that is slow, raises or hangs delays nobody else,
    each gets its events in the order in which they were published, and what arrives while a
    plugin is being reloaded waits for its new generation.
    """

    def __init__(
        self,
        registry: Registry,
        gate: Gate,
        loop: PluginLoop,
        *,
        on_error: Callable[[str, str, BaseException], object],
        workers: int = 256,
    ) -> None:
        self._registry = registry
        self._gate = gate
        self._loop = loop
        self._on_error = on_error
        self._boxes: dict[str, Mailbox] = {}
        self._stopped = False
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="events")
        self.log = EventLog()
        self.time_limit: Callable[[], float] = lambda: 30.0
        """Seconds that a listener has for one event."""

    def publish(self, topic: str, data: Any, plugin: str) -> None:
        """Queues an event for every listener to its topic.

        Raises TypeError as `check_topic` does.
        """
        check_topic(topic)
        shown = readable(data)  # it may call what is not ours: not under the lock
        with self._lock:  # the order of the numbers is that of the queues
            event = Event(
                topic=topic, data=data, plugin=plugin, time=time.time(), id=next(self._ids)
            )
            if self._stopped:
                return
            listeners = sum(
                self._put(key, event, record) for key, record in self._registry.view.plugins.items()
            )
            self.log.published(event, shown, listeners=listeners)

    def queued(self, key: str) -> int:
        """How many calls of a plugin's listeners are due."""
        with self._lock:
            box = self._boxes.get(key)
            return 0 if box is None else box.length

    def stop(self) -> None:
        """Drops what is queued, and what is still published."""
        with self._lock:
            self._stopped = True
            self._boxes.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, key: str, event: Event, record: PluginRecord) -> int:
        generation = record.generation
        if generation is None and not _awaits(record, event.topic):
            return 0
        listened = () if generation is None else generation.subscriptions
        held = generation is None or generation.hold is not None
        matching = sum(s.matches(event.topic) for s in listened)
        if not held and not matching:
            return 0
        box = self._boxes.setdefault(key, Mailbox())
        box.put(event, listened, held=held)
        if not held:
            self._start(key, box)
        elif not box.ushered:
            box.ushered = True
            self._submit(self._usher, key)
        return matching

    def _submit(self, function: Callable[..., None], *arguments: Any) -> None:
        # A context of its own: an event is not part of the work that published it.
        self._pool.submit(contextvars.Context().run, function, *arguments)

    def _start(self, key: str, box: Mailbox) -> None:
        for lane in box.ready():
            box.lanes[lane].busy = True
            self._submit(self._drain, key, lane)

    def _usher(self, key: str) -> None:
        """Waits for the end of a swap, and sees what is listened to then."""
        found: Generation | None = None
        try:
            with self._gate.inside(key, "events that wait") as flight:
                found = flight.generation
        except PluginUnavailable:
            _log.debug("events dropped: %s is gone", key)
        finally:
            with self._lock:
                box = self._boxes.get(key)
                if box is not None and not self._stopped:
                    box.ushered = False
                    box.adopt(() if found is None else found.subscriptions)
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
            known.busy = False
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
                    self._call(key, lane, subscription, event, work)
        except PluginUnavailable:
            if self._take(key, lane, event):
                gone = Delivery(plugin=key, listener=lane[1], result="dropped")
                self.log.delivered(event, gone)
            _log.debug("event %s dropped: %s is gone", event.topic, key)
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

    def _take(self, key: str, lane: LaneKey, event: Event) -> bool:
        with self._lock:
            box = self._boxes.get(key)
            known = None if box is None else box.lanes.get(lane)
            if known is None or not known.queue or known.queue[0] is not event:
                return False
            known.queue.popleft()
            return True

    def _call(
        self, key: str, lane: LaneKey, subscription: Subscription, event: Event, work: LimitedWork
    ) -> None:
        begun = time.monotonic()
        result, error = "delivered", None
        try:
            work.call(
                subscription.listener,
                event,
                plugin=key,
                label=f"event {event.topic}",
                timeout=self.time_limit() + _LATER,
            )
        except PluginHookFailed as failure:
            hung = failure.code == "RUN002"
            result, error = "hung" if hung else "failed", failure.message
            cause = failure.__cause__
            self._on_error(key, f"event {event.topic}", cause if cause and not hung else failure)
        except (DatabaseUnavailable, CommitFailed) as lost:
            result, error = "failed", lost.message
            self._on_error(key, f"event {event.topic}", lost)
        ms = (time.monotonic() - begun) * 1000
        self.log.delivered(
            event, Delivery(plugin=key, listener=lane[1], result=result, ms=ms, error=error)
        )


def _awaits(record: PluginRecord, topic: str) -> bool:
    """True for a plugin that is loaded at its first use, which this event is."""
    declared = record.manifest.events.subscribes if record.awaits_use else ()
    return any(Subscription.covers(pattern, topic) for pattern in declared)


def check_topic(topic: object) -> None:
    """Raises TypeError, which says what to do, when `topic` is no text or empty."""
    if not isinstance(topic, str) or not topic:
        given = "an empty one" if isinstance(topic, str) else type(topic).__name__
        raise TypeError(
            f"the topic of an event is a text such as 'order.placed', not {given}: "
            "give the topic first, what belongs to it behind it"
        )
