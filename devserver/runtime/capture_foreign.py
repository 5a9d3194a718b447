"""Whether objects of somebody else's classes can be copied."""

from __future__ import annotations

import asyncio
import enum
import types
from typing import Any

from devserver.runtime.capture_instances import RUNNING, VALUES
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.kinds import is_a
from devserver.runtime.release import is_of_plugin

_WAITED_FOR = (asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore, asyncio.Barrier)
"""What tasks wait at: a copy of a lock that is held would be held by nobody, for ever."""


class Foreign:
    """Remembers what was found, for as long as one value is captured."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, bool]] = {}

    def is_uncopyable(self, value: Any) -> bool:
        """True when an object of somebody else's class cannot be copied, because it, or
        something right inside of it, is a lock, a socket, a thread or the like."""
        if is_a(value, _WAITED_FOR):
            return True
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        self._known[id(value)] = value, False  # a cycle back to here decides nothing
        result = self._holds_uncopyable(value)
        self._known[id(value)] = value, result
        return result

    def _holds_uncopyable(self, value: Any) -> bool:
        try:
            reduced = value.__reduce_ex__(5)
        except (RecursionError, HookInterrupted):
            raise
        except BaseException:  # noqa: BLE001 - a library's __reduce__ may raise anything
            return True
        state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None
        return any(self._part_is_uncopyable(part) for part in _parts_of(state))

    def _part_is_uncopyable(self, part: Any) -> bool:
        if is_a(part, RUNNING):
            return True
        return not _is_harmless(part) and self.is_uncopyable(part)


def _parts_of(state: Any) -> list[Any]:
    """The objects right inside a pickle state: attribute values, slots, and what lists in them
    hold."""
    layers = state if isinstance(state, tuple) else (state,)
    found: list[Any] = []
    for layer in layers:
        if isinstance(layer, dict):
            for value in layer.values():
                found.extend(value if isinstance(value, (list, tuple)) else (value,))
    return found


def _is_harmless(part: Any) -> bool:
    """True for a part that says nothing about whether what holds it can be copied."""
    kind = type(part)
    if issubclass(kind, (type, types.FunctionType, types.ModuleType, *VALUES, enum.Enum)):
        return True
    builtin = kind.__module__ == "builtins" and not hasattr(part, "__dict__")
    return builtin or is_of_plugin(kind.__module__)
