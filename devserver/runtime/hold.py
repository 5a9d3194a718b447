"""Who waits while generations are being replaced, and for what the replacement waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from devserver.runtime.registry import SystemView

if TYPE_CHECKING:
    from devserver.runtime.gate import Flight
    from devserver.runtime.generation import Generation


class Hold:
    """While generations are held, new work for them waits here."""

    def __init__(self, generations: Sequence[Generation]) -> None:
        self._covered = frozenset(map(id, generations))
        self.condition = threading.Condition()
        self._released = threading.Event()
        self._first_waiter: float | None = None

    def waits_for(self, flight: Flight) -> bool:
        """True for work inside one of the generations, which is waited for before the release.
        It is told by the hold: its generations get it one after the other."""
        generation = flight.generation
        return id(generation) in self._covered and flight.id in generation.flights

    def find_work_for(self, work: Flight, view: SystemView) -> Flight | None:
        """What is waited for before the release and cannot end unless `work` goes on: itself with
        what it is part of, or else a part of it (a generator of a service that it iterates over)
        in the generations that `view` has. None where nobody waits for anything of it."""
        chain = list(work.chain())
        if any(map(self.waits_for, chain)):
            return work
        held = (r.generation for r in view.plugins.values())
        inside = [
            f for g in held if g is not None and g.hold is self for f in [*g.flights.values()]
        ]
        return next((f for f in inside if any(part in chain for part in f.chain())), None)

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


def hold_all(generations: list[Generation]) -> Hold:
    """From now on new work for these generations waits."""
    hold = Hold(generations)
    for generation in generations:
        generation.hold = hold
    return hold


def wait_drained(
    hold: Hold,
    generations: list[Generation],
    *,
    drain_timeout: float,
    wait_limit: float,
    gives_up: Callable[[], bool] = lambda: False,
) -> tuple[list[Flight], bool]:
    """Waits until no work is inside the generations.

    Gives the stragglers that were left after `drain_timeout` seconds, and whether the wait was
    given up because somebody has been waiting for `wait_limit` seconds or `gives_up` said so. Work
    that a developer looks at in a debugger is a straggler at once: a prompt may stay open for ever.
    """
    deadline = time.monotonic() + drain_timeout
    with hold.condition:
        while True:
            inside = [f for g in generations for f in list(g.flights.values())]
            now = time.monotonic()
            if all(f.at_prompt() for f in inside) or now >= deadline:
                return inside, False
            if hold.oldest_wait(now) >= wait_limit or gives_up():
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
