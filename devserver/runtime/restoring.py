"""Puts captured state into new generations: globals before their plugins are constructed,
the rest when they are."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from devserver.core.merge import GLOBAL
from devserver.runtime.attributes import counterparts
from devserver.runtime.capture import Capture
from devserver.runtime.capture_functions import lookup
from devserver.runtime.generation import Generation
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.persistent import (
    Replacement,
    declares,
    find_home,
    put_global,
    replace_everywhere,
)
from devserver.runtime.release import Release

Place = tuple[str, str]
"""The key of a plugin and the name of an attribute or a global."""

CUSTOM = "get_persistent_state()"
"""Stands where an attribute's name would: what the hook of that name gave."""


class AsItIs:
    """Wraps a value that goes by reference, whatever it is."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        raise TypeError("goes by reference")


@dataclass(frozen=True, slots=True)
class Dumped:
    """Captured values. Those of `early` are in a part of their own, which can be loaded while
    the plugins are not constructed. `waiting` are queues that go by reference, each with what
    was in it, which is a part of its own, too."""

    content: bytes
    capture: Capture
    early: frozenset[Place]
    waiting: tuple[tuple[Any, list[Any]], ...] = ()


class Source(Protocol):
    """What was captured, and can be captured again in another choice. `aliases` are the names
    that old modules have for the object of a global."""

    aliases: dict[Place, frozenset[str]]
    values: dict[Place, Any]
    dumped: Dumped

    def dump(self, values: dict[Place, Any]) -> Dumped: ...


@dataclass(frozen=True, slots=True)
class Restored:
    """Values for the new generations: `attributes` (and globals, which are in place already) by
    plugin and name, `custom` by plugin for `restore_persistent_state()`; `lost` are names by
    plugin."""

    attributes: Mapping[str, Mapping[str, Any]]
    custom: Mapping[str, Any]
    lost: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, values: Mapping[Place, Any], *, lost: Collection[Place]) -> Restored:
        keys = {key for key, _ in [*values, *lost]}
        return cls(
            {k: {n: v for (o, n), v in values.items() if o == k and n != CUSTOM} for k in keys},
            {k: v for (k, n), v in values.items() if n == CUSTOM},
            {k: frozenset(n for o, n in lost if o == k) for k in keys},
        )


@dataclass(slots=True)
class Loaded:
    """Values as the new generations have them. `lost` could not be bound to the new code,
    `undeclared` are globals that it no longer names as state, `unmatched` the ids of functions
    that it has no counterpart of. `waiting` are queues, what was in them, and what that became."""

    values: dict[Place, Any] = field(default_factory=dict)
    lost: list[Place] = field(default_factory=list)
    undeclared: list[Place] = field(default_factory=list)
    unmatched: set[int] = field(default_factory=set)
    waiting: list[tuple[Any, list[Any], list[Any]]] = field(default_factory=list)


class Restoring:
    """One restoring into `generations`. Both methods may raise what plugin code raises."""

    def __init__(self, source: Source, generations: Sequence[Generation]) -> None:
        self._source = source
        self._generations = {g.key: g for g in generations}
        self._binding = _Binding(generations)
        self._opened = source.dumped
        self._loaded = Loaded()

    def begin(self) -> None:
        """Globals get their values; the modules are executed, the plugins not constructed."""
        early = {p: self._source.values[p] for p in self._opened.early}
        try:
            values = self._binding.open(self._opened)
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            self._give_up(early)
            values = self._binding.open(self._dump_left())
        self._loaded.values |= self._put(values)

    def finish(self) -> Loaded:
        """All values; the plugins are constructed."""
        self._binding.complete(self._generations.values())
        try:
            values = self._binding.rest()
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            self._give_up(self._source.values)
            again = self._binding.open(self._dump_left())
            self._loaded.values |= self._put(again)
            values = self._binding.rest()
        is_global = {p: v for p, v in values.items() if GLOBAL in p[1]}
        late = self._put(is_global)
        self._loaded.values |= {p: v for p, v in values.items() if p not in is_global or p in late}
        self._take_waiting()
        self._loaded.unmatched = self._binding.unmatched
        return self._loaded

    def _take_waiting(self) -> None:
        """What waits in queues; where the new code does not know it, it stays as it is."""
        try:
            found = self._binding.waiting()
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            for waiting, _ in self._opened.waiting:
                named = [p for p, v in self._loaded.values.items() if v is waiting]
                self._loaded.lost += [(key, f"{name} (what waits in it)") for key, name in named]
            return
        pairs = zip(self._opened.waiting, found, strict=True)
        self._loaded.waiting = [(waiting, before, after) for (waiting, before), after in pairs]

    def _give_up(self, values: Mapping[Place, Any]) -> None:
        """Notes which of `values` do not bind by themselves."""
        for place, value in values.items():
            if place not in self._loaded.lost and not self._binds(place, value):
                self._loaded.lost.append(place)

    def _binds(self, place: Place, value: Any) -> bool:
        try:
            self._binding.try_out(self._source.dump({place: value}))
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            return False
        return True

    def _dump_left(self) -> Dumped:
        lost = self._loaded.lost
        left = {p: v for p, v in self._source.values.items() if p not in lost}
        self._opened = self._source.dump(left)
        return self._opened

    def _put(self, values: Mapping[Place, Any]) -> dict[Place, Any]:
        """Gives globals their values, wherever they are known; gives those that were put."""
        put: dict[Place, Any] = {}
        before = self._loaded.values
        replaced = [Replacement(before[p], v) for p, v in values.items() if p in before]
        for (key, name), value in values.items():
            home = self._home_of(key, name)
            if home is None:
                self._loaded.lost.append((key, name))
            elif not declares(home, name):
                self._loaded.undeclared.append((key, name))
            else:
                same = self._source.aliases.get((key, name))
                replaced.append(put_global(home, name, value, same))
                put[key, name] = value
        replace_everywhere(self._namespaces(), replaced)
        return put

    def _home_of(self, key: str, name: str) -> dict[str, Any] | None:
        try:
            return find_home(self._generations[key].table, name)
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a module that is loaded late may raise anything
            return None

    def _namespaces(self) -> Iterable[dict[str, Any]]:
        for generation in self._generations.values():
            for module in list(generation.table.modules.values()):
                yield vars(module)
            if generation.plugin is not None:
                yield getattr(generation.plugin, "__dict__", {})


class _Binding:
    """Where captured names are looked up: in the modules and objects of new generations."""

    def __init__(self, generations: Iterable[Generation]) -> None:
        self.unmatched: set[int] = set()
        self._tables = {g.key: g.table for g in generations}
        self._substitutes: dict[str, Any] = {}
        self._release: Release | None = None
        self.complete(generations)

    def complete(self, generations: Iterable[Generation]) -> None:
        """Knows the plugin objects, too."""
        for generation in generations:
            for part, value in counterparts(generation).items():
                self._substitutes[f"{generation.key}:{part}"] = value

    def open(self, dumped: Dumped) -> dict[Place, Any]:
        """The early values. Raises whatever a plugin's `__setstate__` raises, Vanished, or
        pickle's errors."""
        self._release = self._new_release(dumped)
        return self._next(self._release)

    def rest(self) -> dict[Place, Any]:
        """The others, of what was opened. Raises the same."""
        if self._release is None:
            raise AssertionError("nothing was opened")
        return self._next(self._release)

    def waiting(self) -> list[list[Any]]:
        """What was in queues, of what was opened. Raises the same."""
        if self._release is None:
            raise AssertionError("nothing was opened")
        found: list[list[Any]] = self._release.load_all()
        return found

    def try_out(self, dumped: Dumped) -> None:
        """Loads the values for nothing. Raises the same."""
        release = self._new_release(dumped)
        self._next(release)
        self._next(release)

    def _new_release(self, dumped: Dumped) -> Release:
        return Release(
            dumped.content,
            passed=dumped.capture.passed,
            substitutes=self._substitutes,
            find_module=self._find_module,
            find_moved=self._find_moved,
        )

    def _next(self, release: Release) -> dict[Place, Any]:
        values: dict[Place, Any] = release.load_all()
        self.unmatched |= release.unmatched
        return {p: v.value if type(v) is AsItIs else v for p, v in values.items()}

    def _find_module(self, name: str) -> types.ModuleType:
        table = self._tables.get(name.split(".")[1])
        if table is None:
            return next(iter(self._tables.values())).module_for(name)
        return table.load(name)

    def _find_moved(self, module: str, qualname: str) -> Any:
        """A class or function of that name which is defined in one other module of the plugin."""
        table = self._tables.get(module.split(".")[1])
        found = []
        for name, other in [] if table is None else list(table.modules.items()):
            known = lookup(other, qualname)
            is_code = isinstance(known, (type, types.FunctionType))
            if is_code and known.__module__ == name and known.__qualname__ == qualname:
                found.append(known)
        return found[0] if len(found) == 1 else None
