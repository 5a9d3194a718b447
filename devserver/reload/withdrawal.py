"""Takes plugins out of service at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from devserver.core.outcome import Outcome
from devserver.runtime.gate import hold_all, release
from devserver.runtime.generation import Generation
from devserver.runtime.shown_source import forget_source
from devserver.runtime.system import PluginSystem

_LOOK = 0.02  # seconds between two looks at what is still inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a withdrawal did; `generations` are on their way out."""

    outcome: Outcome
    generations: tuple[Generation, ...] = ()

    def wait(self, limit: float) -> None:
        """Until they are gone, or nothing but streams is left inside; `limit` seconds at most."""
        deadline = time.monotonic() + limit
        pause = threading.Event()
        while not all(map(_has_ended, self.generations)) and time.monotonic() < deadline:
            pause.wait(_LOOK)


def _has_ended(generation: Generation) -> bool:
    return generation.closed or (bool(generation.streams) and not generation.flights)


def withdraw(
    system: PluginSystem,
    keys: Sequence[str],
    **change: Any,
) -> tuple[Generation, ...]:
    """New work for these plugins (dependencies first) is refused from now on; what is inside
    ends on its generation. `change` are fields of their records. Gives the generations that
    served; they are still to be disposed of."""
    known = system.registry.view.plugins
    records = [known[key] for key in keys if key in known]
    outgoing = [r.generation for r in records if r.generation is not None]
    peers = {g.key: g.table for g in outgoing}
    for generation in outgoing:
        generation.table.pin(peers)
    hold = hold_all(outgoing)  # so that what is inside keeps its view of the others
    system.registry.publish(*(replace(record, generation=None, **change) for record in records))
    for generation in outgoing:
        generation.table.conceal()
        generation.host.cancel_tasks()
    forget_source(g.table for g in outgoing)
    release(hold, outgoing, replaced=True)
    return tuple(outgoing)
