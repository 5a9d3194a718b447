"""Copies values of plugins, all in one pickle, however they let themselves be copied."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from devserver.core.merge import GLOBAL
from devserver.runtime.attributes import entries_of, module_finder, substitutes_of
from devserver.runtime.capture import Capture
from devserver.runtime.generation import Generation
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.queues import contents_of, queues_in
from devserver.runtime.restoring import AsItIs, Dumped, Place
from devserver.runtime.undisturbed import unhurried
from devserver.runtime.waiting_events import Search, WaitingEvents

AnyCapture = TypeVar("AnyCapture", bound=Capture)

_TRIES = 3
_AT_CONSTRUCTION = frozenset(("host",))
"""The parts of a generation that are there before its plugin is."""


class Dumping:
    """Of the plugins of `generations`, and of what they have not heard yet in `events`."""

    def __init__(self, generations: Sequence[Generation], events: WaitingEvents | None) -> None:
        self._events = events
        self._plugins = tuple(g.key for g in generations)
        self.substitutes = substitutes_of(generations)
        """Objects that a successor has too, by id: what is written in their place."""
        self._entries = entries_of(generations)
        self._find_module = module_finder(generations)

    def dump(self, values: dict[Place, Any], watched: Collection[int] = ()) -> Dumped:
        """Captures `values`; those that cannot be copied are replaced by AsItIs in it."""
        try:
            return self._tried(values, watched)
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            # One cannot be copied for a reason that only trying shows: it goes as it is.
            for place, value in values.items():
                if not self._copies(place, value):
                    values[place] = AsItIs(value)
            return self._tried(values, watched)

    def _copies(self, place: Place, value: Any) -> bool:
        try:
            self._tried({place: value})
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            return False
        return True

    def _tried(self, values: Mapping[Place, Any], watched: Collection[int] = ()) -> Dumped:
        """Raises what stands in the way of copying, however it is tried."""
        early = {p: v for p, v in values.items() if GLOBAL in p[1]}
        rest = {p: v for p, v in values.items() if p not in early}
        content, capture = self._copied(early, rest, [], watched=watched)
        if _needs_plugins(capture):
            ready = {p for p, v in early.items() if not _needs_plugins(self._copied({p: v})[1])}
            early = {p: v for p, v in early.items() if p in ready}
            rest = {p: v for p, v in values.items() if p not in ready}
            content, capture = self._copied(early, rest, [], watched=watched)
        waiting = [(q, contents_of(q)) for q in queues_in(capture.passed)]
        if self._events is not None:
            search = self.new_capture(Search, deferred=True)
            waiting.append((self._events, search.among(self._events.contents())))
        if any(items for _, items in waiting):
            # A queue that waits in a queue keeps what it holds.
            contents = [items for _, items in waiting]
            try:
                again, seen = self._copied(early, rest, contents, watched=watched)
            except HookInterrupted:
                raise
            except BaseException:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
                return Dumped(content, capture, frozenset(early))
            return Dumped(again, seen, frozenset(early), tuple(waiting))
        return Dumped(content, capture, frozenset(early))

    def _copied(self, *parts: Any, watched: Collection[int] = ()) -> tuple[bytes, Capture]:
        capture = self.new_capture(Capture, watched=watched)
        try:
            return capture.dump(*parts), capture
        except RuntimeError:  # too deep, or a thread of the plugin changed it meanwhile
            with unhurried():
                for _ in range(_TRIES):
                    capture = self.new_capture(Capture, deferred=True, watched=watched)
                    with suppress(RuntimeError):
                        return capture.dump(*parts), capture
            raise

    def new_capture(
        self, kind: type[AnyCapture], *, deferred: bool = False, watched: Collection[int] = ()
    ) -> AnyCapture:
        """One in which what the generations themselves are is replaced by its name."""
        return kind(
            self.substitutes,
            plugins=self._plugins,
            find_module=self._find_module,
            entries=self._entries,
            deferred=deferred,
            watched=watched,
        )


def _needs_plugins(capture: Capture) -> bool:
    """True when the first part leads to what is there only when its plugin was constructed."""
    return any(key.partition(":")[2] not in _AT_CONSTRUCTION for key in capture.reached[0])
