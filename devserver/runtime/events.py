"""The event bus: one queue for each plugin."""

from __future__ import annotations

import contextvars
import inspect
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devserver.core.errors import PluginUnavailable
from devserver.runtime.gate import Gate, as_current_work
from devserver.runtime.loop import PluginLoop
from devserver.runtime.registry import Registry
from devserver.sdk.context import Event

_log = logging.getLogger("devserver.events")


class EventBus:
    """Delivers events to the generation that is live when their turn comes.

    Each plugin has a queue of its own: a slow or raising subscriber delays nobody else, order is
    kept, and what arrives while a plugin is being reloaded waits for its new generation.
    """

    def __init__(
        self,
        registry: Registry,
        gate: Gate,
        loop: PluginLoop,
        *,
        on_error: Callable[[str, str, BaseException], object],
        workers: int = 64,
    ) -> None:
        self._registry = registry
        self._gate = gate
        self._loop = loop
        self._on_error = on_error
        self._queues: dict[str, deque[Event]] = {}
        self._busy: set[str] = set()
        self._stopped = False
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="events")

    def publish(self, topic: str, data: Any, plugin: str) -> None:
        """Queues an event for every plugin that subscribes to its topic.

        Raises TypeError as `check_topic` does.
        """
        check_topic(topic)
        event = Event(topic=topic, data=data, plugin=plugin, time=time.time(), id=next(self._ids))
        for key, record in self._registry.view.plugins.items():
            generation = record.generation
            if generation is None:
                continue
            held = generation.hold is not None  # its successor may subscribe to more
            if held or any(s.matches(topic) for s in generation.subscriptions):
                self._queue(key, event)

    def stop(self) -> None:
        """Drops what is queued, and what is still published."""
        with self._lock:
            self._stopped = True
            self._queues.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _queue(self, key: str, event: Event) -> None:
        with self._lock:
            if self._stopped:
                return
            self._queues.setdefault(key, deque()).append(event)
            if key in self._busy:
                return
            self._busy.add(key)
            # A context of its own: an event is not part of the work that published it.
            self._pool.submit(contextvars.Context().run, self._drain, key)

    def _drain(self, key: str) -> None:
        while (event := self._next(key)) is not None:
            try:
                self._deliver(key, event)
            except BaseException:  # noqa: BLE001 - what comes behind it must arrive all the same
                _log.exception("event %s: it could not be delivered to %s", event.topic, key)

    def _next(self, key: str) -> Event | None:
        """The plugin's next event; None when there is none and its queue is at rest."""
        with self._lock:
            queued = self._queues.get(key)
            if queued:
                return queued.popleft()
            self._busy.discard(key)
            self._queues.pop(key, None)
            return None

    def _deliver(self, key: str, event: Event) -> None:
        try:
            with self._gate.inside(key, f"event {event.topic}") as flight:
                for subscription in flight.generation.subscriptions:
                    if subscription.matches(event.topic):
                        self._call(key, subscription.listener, event)
        except PluginUnavailable:
            _log.debug("event %s dropped: %s is gone", event.topic, key)

    def _call(self, key: str, listener: Callable[..., Any], event: Event) -> None:
        try:
            answer = listener(event)
            if inspect.isawaitable(answer):
                self._loop.submit(as_current_work, answer).result()
        except BaseException as error:  # noqa: BLE001 - a subscriber may raise anything
            self._on_error(key, f"event {event.topic}", error)


def check_topic(topic: object) -> None:
    """Raises TypeError, which says what to do, when `topic` is no text or empty."""
    if not isinstance(topic, str) or not topic:
        given = "an empty one" if isinstance(topic, str) else type(topic).__name__
        raise TypeError(
            f"the topic of an event is a text such as 'order.placed', not {given}: "
            "give the topic first, what belongs to it behind it"
        )
