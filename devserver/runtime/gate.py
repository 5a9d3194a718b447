"""The gate: what work is inside which generation."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from devserver.core.errors import PluginUnavailable
from devserver.core.names import normalise
from devserver.runtime.canary import CanaryBoard, Share
from devserver.runtime.debuggers import any_debugger, at_prompt
from devserver.runtime.registry import Registry, SystemView
from devserver.runtime.whereabouts import current_task, stack_text, trace_of, where_text

if TYPE_CHECKING:
    from devserver.runtime.generation import Generation

_ids = itertools.count(1)


class Outlasting(Protocol):
    """What goes on when the headers of an answer are out."""

    def end(self) -> bool:
        """Asks it to end; False for what goes on to its end all the same."""

    def cut(self) -> None:
        """Ends one that did not."""


@dataclass(eq=False, slots=True)
class Flight:
    """One piece of work (request, event, command, service call) on one generation.

    `view` is the pinned view: what the work calls in turn it sees there while its generation is
    being drained, or always where `pinned` is True (hooks of a candidate, which see the other
    candidates). It is None where it is that of `outer`, the work that this is part of, and once
    the work is over: what refers to it then (a task that it began, a thread that could not be
    ended) keeps no plugin that it has nothing to do with. `task` is what runs it where that is a
    coroutine, else `thread` does. `stream` is what can end it once its headers are out.
    """

    label: str
    view: SystemView | None
    generation: Generation
    outer: Flight | None = None
    pinned: bool = False
    started: float = field(default_factory=time.monotonic)
    thread: threading.Thread = field(default_factory=threading.current_thread)
    task: weakref.ref[asyncio.Task[Any]] | None = field(default_factory=current_task)
    stream: Outlasting | None = None
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

    def seen(self) -> SystemView | None:
        """The view that it is pinned to; None when that is the live one."""
        return next((f.view for f in self.chain() if f.view is not None), None)

    def forget_view(self) -> None:
        """Nobody waits for it any more: what it still calls it sees as everybody does."""
        self.pinned, self.view = False, None

    def where(self) -> str:
        """The innermost line that it is at, of the plugin where there is one."""
        return where_text(self._trace())

    def told(self) -> str:
        """Its label and how long it has been running, then the plugin's frames, a line each."""
        seconds = time.monotonic() - self.started
        return f"{self.label}, running for {seconds:.1f} s\n{stack_text(self._trace())}"

    def at_prompt(self) -> bool:
        """True while a developer looks at it in a debugger."""
        return any_debugger() and at_prompt(self._trace())

    def _trace(self) -> TracebackType | None:
        return trace_of(self.thread, None if self.task is None else self.task())


CURRENT: ContextVar[Flight | None] = ContextVar("devserver_flight", default=None)
"""The work that the current thread or task is doing, None outside of any."""

FROM_OURSELVES: ContextVar[Callable[[], bool] | None] = ContextVar(
    "devserver_from_ourselves", default=None
)
"""Tells whether the request that is being answered was sent by this very process. Nobody can say
what such a request is part of, so a reload may be waiting for it."""


async def as_current_work(awaitable: Awaitable[Any]) -> Any:
    """Awaits it as the current work, which from then on is found where this task is."""
    flight = CURRENT.get()
    if flight is not None:
        flight.task = current_task()
    return await awaitable


class Gate:
    """Lets work into generations. Takes no lock unless a generation is held."""

    def __init__(self, registry: Registry, *, may_wait: Callable[[], bool] = lambda: True) -> None:
        self._registry = registry
        self.canaries = CanaryBoard()
        self.first_use: Callable[[str, bool], None] = lambda _key, _wait: None
        """Loads a plugin that is registered; with True it has been tried on return."""
        self._may_wait = may_wait  # the plugin loop may not: hooks of the reload run on it
        self.wait_limit = 60.0
        """Seconds after which work that still waits is refused; a safety net, the transaction
        rolls back long before."""

    def enter(
        self,
        name: str,
        label: str,
        *,
        never_hold: bool = False,
        found_by: Callable[[SystemView, str], Generation | None] = SystemView.generation,
    ) -> Flight:
        """A flight on the generation that answers for `name` now, as `found_by` tells.

        Work that is part of work on a generation that is being drained goes to its pinned view
        and is never held; nor is `never_hold`, or what a request of our own process asks for.
        Raises PluginUnavailable when nothing answers.
        """
        outer = CURRENT.get()
        pinned = outer is not None and any(f.keeps_view for f in outer.chain())
        kept = own = outer.seen() if pinned and outer is not None else None
        # `kept` is the view that it is pinned to, `own` the same where `outer` has it already.
        while True:
            view = kept or self._registry.view
            generation = find_in_company(outer, name) or found_by(view, name)
            if generation is None and self._loads(normalise(name), outer):
                continue
            if generation is None:
                raise PluginUnavailable(f"plugin {normalise(name)!r} has nothing that serves")
            flight = Flight(label, None if own else view, generation, outer)
            generation.flights[flight.id] = flight
            hold = generation.hold
            if hold is None or pinned or never_hold or not self._may_hold():
                return flight
            self.leave(flight)
            part = None if outer is None else hold.find_work_for(outer, view)
            if part is not None and outer is not None:
                pinned, kept, own = True, part.seen(), outer.seen() if part is outer else None
            elif not hold.wait(self.wait_limit):
                raise PluginUnavailable(
                    f"plugin {normalise(name)!r} is still being reloaded", hint="try again"
                )

    def _loads(self, key: str, outer: Flight | None) -> bool:
        """Has a plugin loaded that awaits its first use; False when there is nothing to load.
        Raises PluginUnavailable where nobody can wait for that: on the plugin loop, which hooks
        of the load need, and in hooks of a reload."""
        record = self._registry.view.find(key)
        if record is None or not record.awaits_use:
            return False
        if outer is not None and any(f.pinned for f in outer.chain()):
            raise PluginUnavailable(
                f"plugin {record.name!r} is not loaded yet, and a hook cannot wait for it",
                hint="declare it among the dependencies: then it is loaded first",
            )
        waits = self._may_wait()
        for part in () if outer is None or not waits else outer.chain():
            self.leave(part)  # a reload of its plugin may come before this one
        self.first_use(key, waits)
        if not waits:
            raise PluginUnavailable(
                f"plugin {record.name!r} is being loaded, which a coroutine cannot wait for",
                hint="try again; what declares it among its dependencies finds it loaded",
            )
        now = self._registry.view.find(key)
        return now is not None and now.generation is not None

    def enter_with_share(
        self, name: str, label: str, environ: Mapping[str, Any]
    ) -> tuple[Flight, Share | None]:
        """Like `enter`, for a request from outside: while a canary stands beside the plugin the
        request may go there. The share counts what became of it; None when there is no canary."""
        canary = self.canaries.find(normalise(name))
        if canary is None or not canary.stands(self._registry.view):
            return self.enter(name, label, found_by=SystemView.answering), None
        share = canary.share(environ)
        if share.is_new:
            generation = canary.new[normalise(name)]
            flight = Flight(label, None, generation)
            generation.flights[flight.id] = flight
            if not canary.over.is_set():
                canary.open(share)
                return flight, share
            self.leave(flight)
            return self.enter(name, label, found_by=SystemView.answering), None
        return self.enter(name, label, found_by=SystemView.answering), share

    def _may_hold(self) -> bool:
        from_ourselves = FROM_OURSELVES.get()
        return self._may_wait() and not (from_ourselves is not None and from_ourselves())

    def leave(self, flight: Flight) -> None:
        """The work is done (or, for a stream, has begun). May be called twice."""
        flight.generation.flights.pop(flight.id, None)
        flight.forget_view()
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


def find_in_company(outer: Flight | None, name: str) -> Generation | None:
    """The generation of the canary that `outer` is work of, where the plugin is part of it."""
    if outer is None:
        return None
    key = normalise(name)
    return next(
        (f.generation.company[key] for f in outer.chain() if key in f.generation.company), None
    )
