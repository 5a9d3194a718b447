"""Takes plugins out of service at once."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from devserver.core.outcome import Outcome
from devserver.runtime.generation import Generation
from devserver.runtime.hold import hold_all, release
from devserver.runtime.shown_source import forget_source
from devserver.runtime.system import PluginSystem

_LOOK = 0.02  # seconds between two looks at what is still inside
_TELL = 1.0  # seconds in which what came of it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a withdrawal did; `generations` are on their way out, and `left` gives the outcome
    with what came of that. Whoever waits does not keep them."""

    outcome: Outcome
    generations: tuple[weakref.ref[Generation], ...] = ()
    left: Future[Outcome] | None = None

    def wait(self, limit: float) -> Outcome:
        """Until they are gone, or nothing but streams is left inside, `limit` seconds at most;
        the outcome as it is then."""
        deadline = time.monotonic() + limit
        while not self._is_over() and time.monotonic() < deadline:
            with suppress(TimeoutError):
                self._left(_LOOK)
        staying = [g.name for g in self._existing() if not g.closed]
        if not staying:
            with suppress(TimeoutError):  # what came of it is told right after
                return self._left(_TELL)
        if self._is_over():
            return self.outcome
        names = ", ".join(staying)
        note = f"{names}: not let go of within {limit:g} s; the server's log tells the end of it"
        return replace(self.outcome, notes=(*self.outcome.notes, note))

    def _is_over(self) -> bool:
        is_told = self.left is not None and self.left.done()
        return is_told or all(map(_has_ended, self._existing()))

    def _existing(self) -> list[Generation]:
        found = (reference() for reference in self.generations)
        return [generation for generation in found if generation is not None]

    def _left(self, timeout: float) -> Outcome:
        return self.outcome if self.left is None else self.left.result(timeout)


def _has_ended(generation: Generation) -> bool:
    return generation.closed or (bool(generation.streams) and not generation.flights)


def withdraw(
    system: PluginSystem,
    keys: Sequence[str],
    *,
    routes_stand: bool = False,
    **change: Any,
) -> tuple[Generation, ...]:
    """New work for these plugins (dependencies first) is refused from now on; what is inside
    ends on its generation. `change` are fields of their records. Gives the generations that
    served; they are still to be disposed of, but for those whose routes stand."""
    known = system.registry.view.plugins
    records = [known[key] for key in keys if key in known]
    outgoing = [r.generation for r in records if r.generation is not None]
    peers = {g.key: g.table for g in outgoing}
    for generation in outgoing:
        generation.table.pin(peers, system.registry.view.dependencies(generation.key))
    hold = hold_all(outgoing)  # so that what is inside keeps its view of the others
    out = [
        replace(
            record,
            generation=None,
            routed=True,
            standing=record.answering if routes_stand else None,
            **change,
        )
        for record in records
    ]
    system.registry.publish(*out)
    for generation in outgoing:
        generation.table.conceal()
        generation.host.cancel_tasks()
    forget_source(g.table for g in outgoing)
    for standing in [r.standing for r in out if r.standing is not None]:
        standing.hold = None  # requests go in as before
    release(hold, outgoing, replaced=True)
    return tuple(outgoing)
