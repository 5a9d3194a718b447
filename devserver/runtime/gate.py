"""The gate: who is inside a generation, and who waits while it is being replaced."""

from __future__ import annotations

import itertools
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devserver.core.errors import PluginUnavailable
from devserver.core.names import normalise
from devserver.runtime.registry import Registry, SystemView

if TYPE_CHECKING:
    from devserver.runtime.generation import Generation

_ids = itertools.count(1)


@dataclass(eq=False, slots=True)
class Flight:
    """One piece of work (request, event, command, service call) on one generation.

    `view` is the pinned view: what the work calls in turn it sees there while its generation is
    being drained, or always where `pinned` is True (hooks of a candidate, which see the other
    candidates). `outer` is the work that it is part of.
    """

    label: str
    view: SystemView
    generation: Generation
    outer: Flight | None = None
    pinned: bool = False
    started: float = field(default_factory=time.monotonic)
    thread: int = field(default_factory=threading.get_ident)
    id: int = field(default_factory=lambda: next(_ids))

    def chain(self) -> Iterator[Flight]:
        """This flight and those that it is part of."""
        flight: Flight | None = self
        while flight is not None:
            yield flight
            flight = flight.outer

    @property
    def keeps_view(self) -> bool:
        """True while what this work calls must see `view`, because a reload waits for it."""
        return self.pinned or (
            self.generation.hold is not None and self.id in self.generation.flights
        )

    def where(self) -> str:
        """The innermost line that its thread is at, of the plugin where there is one."""
        frame = sys._current_frames().get(self.thread)
        if frame is None:
            return "unknown"
        stack = traceback.extract_stack(frame)
        root = str(self.generation.source.root)
        own = [f for f in stack if f.filename.startswith(root)]
        last = (own or stack)[-1]
        return f"{last.filename}:{last.lineno} in {last.name}"


CURRENT: ContextVar[Flight | None] = ContextVar("devserver_flight", default=None)
"""The work that the current thread or task is doing, None outside of any."""


class Hold:
    """While a generation is held, new work waits here. One hold may cover several."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self._released = threading.Event()
        self._first_waiter: float | None = None

    def wait(self, limit: float) -> bool:
        """Waits for the release; False when `limit` seconds did not suffice."""
        with self.condition:
            if self._first_waiter is None:
                self._first_waiter = time.monotonic()
                self.condition.notify_all()
        return self._released.wait(limit)

    def release(self) -> None:
        self._released.set()

    def oldest_wait(self, now: float) -> float:
        """Seconds that the first of those who wait has been waiting; 0 when nobody does."""
        return 0.0 if self._first_waiter is None else now - self._first_waiter


class Gate:
    """Lets work into generations. Takes no lock unless a generation is held."""

    def __init__(self, registry: Registry, *, may_wait: Callable[[], bool] = lambda: True) -> None:
        self._registry = registry
        self._may_wait = may_wait  # the plugin loop may not: hooks of the reload run on it
        self.wait_limit = 60.0
        """Seconds after which work that still waits is refused; a safety net, the transaction
        rolls back long before."""

    def enter(self, name: str, label: str, *, never_hold: bool = False) -> Flight:
        """A flight on the generation that answers for `name` now.

        Work that is part of work on a generation that is being drained goes to its pinned view
        and is never held; so does `never_hold`. Raises PluginUnavailable when nothing answers.
        """
        outer = CURRENT.get()
        pinned = outer is not None and any(f.keeps_view for f in outer.chain())
        while True:
            view = outer.view if pinned and outer is not None else self._registry.view
            generation = view.generation(name)
            if generation is None:
                raise PluginUnavailable(f"plugin {normalise(name)!r} has nothing that serves")
            flight = Flight(label, view, generation, outer)
            generation.flights[flight.id] = flight
            hold = generation.hold
            if hold is None or pinned or never_hold or not self._may_wait():
                return flight
            self.leave(flight)
            if not hold.wait(self.wait_limit):
                raise PluginUnavailable(
                    f"plugin {normalise(name)!r} is still being reloaded", hint="try again"
                )

    def leave(self, flight: Flight) -> None:
        """The work is done (or, for a stream, has begun). May be called twice."""
        flight.generation.flights.pop(flight.id, None)
        hold = flight.generation.hold
        if hold is not None:
            with hold.condition:
                hold.condition.notify_all()

    @contextmanager
    def inside(self, name: str, label: str) -> Iterator[Flight]:
        """`enter` and `leave` around a block, which runs as that work."""
        flight = self.enter(name, label)
        token = CURRENT.set(flight)
        try:
            yield flight
        finally:
            CURRENT.reset(token)
            self.leave(flight)


def hold_all(generations: list[Generation]) -> Hold:
    """From now on new work for these generations waits."""
    hold = Hold()
    for generation in generations:
        generation.hold = hold
    return hold


def wait_drained(
    hold: Hold, generations: list[Generation], *, drain_timeout: float, wait_limit: float
) -> tuple[list[Flight], bool]:
    """Waits until no work is inside the generations.

    Gives the stragglers that were left after `drain_timeout` seconds, and whether the wait was
    given up because somebody has been waiting for `wait_limit` seconds.
    """
    deadline = time.monotonic() + drain_timeout
    with hold.condition:
        while True:
            inside = [f for g in generations for f in list(g.flights.values())]
            now = time.monotonic()
            if not inside or now >= deadline:
                return inside, False
            if hold.oldest_wait(now) >= wait_limit:
                return inside, True
            hold.condition.wait(min(deadline - now, 0.25))


def release(hold: Hold, generations: list[Generation], *, replaced: bool) -> None:
    """Lets those who wait go on; they look at the view anew.

    A replaced generation stays held: work that read the view just before the commit and arrives
    only now is sent on as well.
    """
    if not replaced:
        for generation in generations:
            generation.hold = None
    hold.release()
