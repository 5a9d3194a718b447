"""What waits in queues that are handed on as they are: their contents become instances of the new
classes, too, once the new generation is live."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from typing import Any

from devserver.runtime.kinds import is_a
from devserver.runtime.waiting_events import WaitingEvents

_PATIENCE = 1.0
"""Seconds that a queue's lock is waited for; it is held for moments only."""


def queues_in(passed: Iterable[Any]) -> list[Any]:
    """The queues whose contents can be seen and exchanged, each once."""
    found = {id(q): q for q in passed if is_a(q, (queue.Queue, asyncio.Queue))}
    return [q for q in found.values() if isinstance(_store_of(q), (deque, list))]


def contents_of(waiting: Any) -> list[Any]:
    """What is in a queue now."""
    if isinstance(waiting, asyncio.Queue):
        return list(_store_of(waiting))
    with waiting.mutex:
        return list(_store_of(waiting))


def exchange(waiting: Any, before: Sequence[Any], after: Sequence[Any]) -> None:
    """Puts `after` in the places of `before`, as far as these are in the queue still."""
    pairs = zip(before, after, strict=True)
    replaced = {id(old): (old, new) for old, new in pairs if old is not new}
    if not replaced:
        return
    if isinstance(waiting, WaitingEvents):
        waiting.exchange(replaced)
        return
    if not isinstance(waiting, asyncio.Queue):
        if waiting.mutex.acquire(timeout=_PATIENCE):
            try:
                _exchange(_store_of(waiting), replaced)
            finally:
                waiting.mutex.release()
        return
    loop = getattr(waiting, "_loop", None)
    if loop is None or not loop.is_running():
        _exchange(_store_of(waiting), replaced)
    else:
        # Only its own loop changes it, so this does not get between anything.
        loop.call_soon_threadsafe(_exchange, _store_of(waiting), replaced)


def _store_of(waiting: Any) -> Any:
    name = "_queue" if isinstance(waiting, asyncio.Queue) else "queue"
    return getattr(waiting, name, None)


def _exchange(store: MutableSequence[Any], replaced: Mapping[int, tuple[Any, Any]]) -> None:
    for index, item in enumerate(list(store)):
        if id(item) in replaced:
            store[index] = replaced[id(item)][1]
