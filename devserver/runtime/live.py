"""Which generations still exist in memory; holds none of them."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from devserver.core.names import normalise
from devserver.runtime.generation import Generation
from devserver.runtime.kinds import is_a, module_of
from devserver.runtime.modules import ModuleTable

Reference = weakref.ref[Any]


@dataclass(eq=False, slots=True, kw_only=True)
class Watched:
    """What tells whether a generation is gone: its plugin object and, once it was let go, its
    modules and classes too. `published` is False for a candidate that was rolled back; `occupied`
    is True when requests were inside that were let go while running."""

    name: str
    number: int
    published: bool
    parts: list[Reference] = field(default_factory=list)
    let_go: bool = False
    occupied: bool = False

    def alive(self) -> list[Any]:
        """Its parts that exist. Whoever calls holds them until it drops the list."""
        found = (reference() for reference in self.parts)
        return [part for part in found if part is not None]

    @property
    def is_gone(self) -> bool:
        return all(reference() is None for reference in self.parts)

    @property
    def label(self) -> str:
        return f"g{self.number}" + ("" if self.published else ", rolled back")


class LiveGenerations:
    """Counts generations, by plugin. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, list[Watched]] = defaultdict(list)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], object]] = []

    def on_let_go(self, listener: Callable[[], object]) -> None:
        """`listener` is called after each `let_go`."""
        self._listeners.append(listener)

    def watch(self, generation: Generation) -> None:
        """Counts a generation from its commit on, while its plugin object exists."""
        watched = Watched(name=generation.name, number=generation.number, published=True)
        watched.parts.append(weakref.ref(generation.plugin))
        with self._lock:
            self._known[generation.key].append(watched)

    def let_go(self, generation: Generation) -> None:
        """Nothing of ours holds the generation any longer: from now on it counts while any of
        its modules and classes exists."""
        parts = [weakref.ref(part) for part in _parts(generation)]
        published = generation.loaded_at is not None
        with self._lock:
            known = self._known[generation.key]
            for watched in known:
                if watched.published == published and watched.number == generation.number:
                    break
            else:
                watched = Watched(
                    name=generation.name, number=generation.number, published=published
                )
                known.append(watched)
            watched.parts += parts
            watched.let_go = True
            watched.occupied = bool(generation.flights or generation.streams)
        for listener in self._listeners:
            listener()

    def numbers(self, name: str) -> list[int]:
        """The generations of a plugin that were live and whose objects exist, oldest first."""
        return sorted({w.number for w in self._existing(normalise(name)) if w.published})

    def remaining(self) -> list[Watched]:
        """Those that were let go and of which something exists."""
        return [w for key in list(self._known) for w in self._existing(key) if w.let_go]

    def _existing(self, key: str) -> list[Watched]:
        with self._lock:
            known = [w for w in self._known.get(key, ()) if not w.is_gone]
            if key in self._known:
                self._known[key] = known
            return list(known)


def _parts(generation: Generation) -> Iterator[Any]:
    if generation.plugin is not None:
        yield generation.plugin
    yield from _modules_and_classes(generation.table)


def _modules_and_classes(table: ModuleTable) -> Iterator[ModuleType | type]:
    for name, module in list(table.modules.items()):
        yield module
        for value in list(vars(module).values()):
            if is_a(value, type) and module_of(value) == name:
                yield value
