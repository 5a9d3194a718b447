"""Takes the state of old generations and gives it to their successors."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devserver.core.merge import Change, Winner, after_initialize, changed_since
from devserver.runtime.capture import Capture, Release, fingerprint, is_of_plugin
from devserver.runtime.generation import Baseline, Generation
from devserver.sdk.plugin import OWN_ATTRIBUTES


def state_of(generation: Generation) -> dict[str, Any]:
    """The attributes that are the plugin's state, by name."""
    values = dict(getattr(generation.plugin, "__dict__", {}))
    for cls in type(generation.plugin).__mro__:
        for slot in _slots(cls):
            if hasattr(generation.plugin, slot):
                values.setdefault(slot, getattr(generation.plugin, slot))
    return {
        name: value
        for name, value in values.items()
        if not name.startswith("_")
        and name not in OWN_ATTRIBUTES
        and name not in generation.connections
    }


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def substitutes_of(generations: Iterable[Generation]) -> dict[int, str]:
    """Objects of a generation that have a counterpart in the next: id → key."""
    found: dict[int, str] = {}
    for generation in generations:
        for part, value in _counterparts(generation).items():
            found[id(value)] = f"{generation.key}:{part}"
    return found


def _counterparts(generation: Generation) -> dict[str, Any]:
    plugin = generation.plugin
    parts = {"plugin": plugin, "host": generation.host, "app": generation.app}
    if plugin is not None and plugin._ctx is not None:
        ctx = plugin._ctx
        parts |= {"ctx": ctx, **{f"ctx.{name}": ctx[name] for name in ctx if name != "patch"}}
    return {name: value for name, value in parts.items() if value is not None}


def module_finder(
    generations: Iterable[Generation],
) -> Callable[[str], types.ModuleType | None]:
    """Finds modules by import name as these generations know them; sys.modules may show other
    ones meanwhile."""
    tables = {g.key: g.table for g in generations}

    def find(name: str) -> types.ModuleType | None:
        table = tables.get(name.split(".")[1]) if is_of_plugin(name) else None
        return sys.modules.get(name) if table is None else table.modules.get(name)

    return find


@dataclass(frozen=True, slots=True)
class Kept:
    """Names of one plugin's attributes: `changed` at run time, and so captured; of these,
    `passed` go by reference; `unchanged` take the new code's value. `version` is the old one."""

    changed: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    version: str = ""


Place = tuple[str, str]
"""The key of a plugin and the name of an attribute."""

_CUSTOM = "get_persistent_state()"
"""Stands where an attribute's name would: what the hook of that name gave."""


class Snapshot:
    """The run-time state of all generations of a transaction. All values are in one pickle, so
    objects that plugins share stay shared. `custom` maps plugins to what get_persistent_state()
    gave."""

    def __init__(self, generations: Sequence[Generation], custom: Mapping[str, Any]) -> None:
        self._plugins = tuple(g.key for g in generations)
        self._substitutes = substitutes_of(generations)
        self._find_module = module_finder(generations)
        self._values: dict[Place, Any] = {}
        self.kept: dict[str, Kept] = {}
        for generation in generations:
            self.kept[generation.key] = self._keep(generation)
        for key, value in custom.items():
            self._values[key, _CUSTOM] = value
        self._dumped, self._capture = self._dump(self._values)
        for key, kept in self.kept.items():
            passed = {n for n in kept.changed if self._capture.is_passed(self._values[key, n])}
            self.kept[key] = replace(kept, passed=frozenset(passed))

    def _keep(self, generation: Generation) -> Kept:
        state = state_of(generation)
        baseline = generation.baseline
        fresh = {n: v for n, v in state.items() if n not in baseline.sticky}
        prints = fingerprints(generation, fresh)
        changes = changed_since(baseline.fingerprints, state, prints)
        changed = frozenset(n for n, c in changes.items() if c is Change.CHANGED)
        self._values.update({(generation.key, name): state[name] for name in changed})
        return Kept(
            changed=changed, unchanged=frozenset(state) - changed, version=generation.version
        )

    def _dump(self, values: dict[Place, Any]) -> tuple[bytes, Capture]:
        capture = self._new_capture()
        try:
            return capture.dump(values), capture
        except Exception:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            # One cannot be copied for a reason that only trying shows: it goes as it is.
            for place, value in values.items():
                if not self._copies(value):
                    values[place] = _AsItIs(value)
            capture = self._new_capture()
            return capture.dump(values), capture

    def _new_capture(self) -> Capture:
        return Capture(self._substitutes, plugins=self._plugins, find_module=self._find_module)

    def _copies(self, value: Any) -> bool:
        try:
            self._new_capture().dump(value)
        except Exception:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            return False
        return True

    def restored(self, generations: Sequence[Generation]) -> Restored:
        """The values bound to the classes and objects of `generations`, whose plugins are
        constructed."""
        binding = _Binding(generations)
        try:
            return Restored.of(binding.load(self._dumped, self._capture.passed), lost=())
        except Exception:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            lost = [place for place in self._values if not self._binds(binding, place)]
        left = {place: value for place, value in self._values.items() if place not in lost}
        dumped, capture = self._dump(left)
        return Restored.of(binding.load(dumped, capture.passed), lost=lost)

    def _binds(self, binding: _Binding, place: Place) -> bool:
        dumped, capture = self._dump({place: self._values[place]})
        try:
            binding.load(dumped, capture.passed)
        except Exception:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            return False
        return True


class _AsItIs:
    """Wraps a value that goes by reference, whatever it is."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        raise TypeError("goes by reference")


class _Binding:
    """Where captured names are looked up: in the modules and objects of new generations."""

    def __init__(self, generations: Sequence[Generation]) -> None:
        self._tables = {g.key: g.table for g in generations}
        self._substitutes = {
            f"{g.key}:{part}": value
            for g in generations
            for part, value in _counterparts(g).items()
        }

    def load(self, dumped: bytes, passed: list[Any]) -> dict[Place, Any]:
        """Raises whatever a plugin's `__setstate__` raises, Vanished, or pickle's errors."""
        release = Release(
            dumped,
            passed=passed,
            substitutes=self._substitutes,
            find_module=self._find_module,
        )
        values: dict[Place, Any] = release.load()
        return {p: v.value if isinstance(v, _AsItIs) else v for p, v in values.items()}

    def _find_module(self, name: str) -> types.ModuleType:
        table = self._tables.get(name.split(".")[1])
        if table is None:
            return next(iter(self._tables.values())).module_for(name)
        return table.load(name)


@dataclass(frozen=True, slots=True)
class Restored:
    """Values for the new generations: `attributes` by plugin and name, `custom` by plugin for
    `restore_persistent_state()`; `lost` are names by plugin."""

    attributes: Mapping[str, Mapping[str, Any]]
    custom: Mapping[str, Any]
    lost: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, values: Mapping[Place, Any], *, lost: Collection[Place]) -> Restored:
        keys = {key for key, _ in [*values, *lost]}
        return cls(
            {k: {n: v for (o, n), v in values.items() if o == k and n != _CUSTOM} for k in keys},
            {k: v for (k, n), v in values.items() if n == _CUSTOM},
            {k: frozenset(n for o, n in lost if o == k) for k in keys},
        )


def fingerprints(generation: Generation, values: Mapping[str, Any]) -> dict[str, bytes]:
    """Attribute → fingerprint, as they are compared from generation to generation."""
    substitutes = substitutes_of([generation])
    find_module = module_finder([generation])
    return {name: fingerprint(value, substitutes, find_module) for name, value in values.items()}


def baseline_after(generation: Generation, restored: Mapping[str, Any]) -> Baseline:
    """What the state is compared with at the next reload. `restored` are the values that were
    put in and are to count as changed at run time while they are the same objects."""
    state = state_of(generation)
    sticky = frozenset(n for n, v in restored.items() if n in state and state[n] is v)
    fresh = {name: value for name, value in state.items() if name not in sticky}
    return Baseline(fingerprints=fingerprints(generation, fresh), sticky=sticky)


def settle(
    generation: Generation, restored: Mapping[str, Any], passed: Iterable[str], old: Baseline
) -> dict[str, Any]:
    """After `initialize()`: decides each restored attribute that it reassigned, and gives the
    restored values that stand."""
    plugin = generation.plugin
    state = state_of(generation)
    standing: dict[str, Any] = {}
    for name, value in restored.items():
        now = state.get(name)
        winner = after_initialize(
            same_object=name in state and now is value,
            passed=name in passed,
            reset=name in state and _equals(old, generation, name, now),
            read_by_initialize=name not in state or _reads(type(plugin), "initialize", name),
        )
        if winner is Winner.RUN_TIME:
            if now is not value:
                setattr(plugin, name, value)
            standing[name] = value
    return standing


def _equals(baseline: Baseline, generation: Generation, name: str, value: Any) -> bool:
    return baseline.fingerprints.get(name) == fingerprints(generation, {name: value})[name]


def _reads(cls: type, method: str, attribute: str, seen: frozenset[str] = frozenset()) -> bool:
    """True when the code of `method`, or of methods of the class that it names, reads
    `attribute` of anything, or has its name as text (`getattr(self, "items")`)."""
    function = getattr(cls, method, None)
    code = getattr(function, "__code__", None)
    if code is None or method in seen:
        return False
    for instruction in _instructions(code):
        if instruction.opname == "LOAD_CONST" and instruction.argval == attribute:
            return True
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            name = str(instruction.argval)
            if name == attribute or _reads(cls, name, attribute, seen | {method}):
                return True
    return False


def _instructions(code: types.CodeType) -> Iterable[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)
