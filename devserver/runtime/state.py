"""Takes the state of old generations and gives it to their successors."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from devserver.core.merge import Change, Winner, after_initialize, changed_since, goes_on
from devserver.runtime.attributes import (
    counterparts,
    entries_of,
    fingerprints,
    module_finder,
    state_of,
    substitutes_of,
)
from devserver.runtime.capture import Capture
from devserver.runtime.capture_instances import IMMUTABLE, unhurried
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.handover import is_ended_by, is_made_anew, is_resource, reads
from devserver.runtime.release import Release


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


_TRIES = 3


class Snapshot:
    """The run-time state of all generations of a transaction. All values are in one pickle, so
    objects that plugins share stay shared. `custom` maps plugins to what get_persistent_state()
    gave."""

    def __init__(self, generations: Sequence[Generation], custom: Mapping[str, Any]) -> None:
        self._plugins = tuple(g.key for g in generations)
        self._kinds = {g.key: type(g.plugin) for g in generations}
        self._substitutes = substitutes_of(generations)
        self._entries = entries_of(generations)
        self._find_module = module_finder(generations)
        self._values: dict[Place, Any] = {}
        self._handed_on: set[Place] = set()
        self.kept: dict[str, Kept] = {}
        unchanged: dict[Place, Any] = {}
        for generation in generations:
            unchanged |= self._keep(generation)
        self._include_shared(unchanged)
        for key, value in custom.items():
            self._values[key, _CUSTOM] = value
        self._dumped, self._capture = self._dump(self._values)
        for key, kept in self.kept.items():
            passed = {n for n in kept.changed if self._capture.is_passed(self._values[key, n])}
            self.kept[key] = replace(kept, passed=frozenset(passed))

    def _keep(self, generation: Generation) -> dict[Place, Any]:
        """Takes what was changed, and resources; gives the rest."""
        key, state, baseline = generation.key, state_of(generation), generation.baseline
        fresh = {n: v for n, v in state.items() if n not in baseline.sticky}
        changes = changed_since(baseline.fingerprints, state, fingerprints(generation, fresh))
        capture = self._new_capture()
        changed = set()
        for name, change in changes.items():
            value = state[name]
            resource = is_resource(value, capture)
            if goes_on(
                change, resource=resource, ended=resource and is_ended_by(generation, name, value)
            ):
                changed.add(name)
                self._values[key, name] = value
                if change is Change.UNCHANGED:
                    self._handed_on.add((key, name))
        left = frozenset(state) - changed
        self.kept[key] = Kept(frozenset(changed), left, version=generation.version)
        return {(key, name): state[name] for name in left}

    def _include_shared(self, unchanged: dict[Place, Any]) -> None:
        """Attributes whose object is also held by what is kept are kept, so that they go on
        sharing it."""
        left = {p: v for p, v in unchanged.items() if self._has_identity(v)}
        while left and self._values:
            _, capture = self._dump(dict(self._values), watched={id(v) for v in left.values()})
            shared = {p: v for p, v in left.items() if id(v) in capture.met}
            if not shared:
                return
            self._values |= shared
            for place in shared:
                del left[place]
                self._move(place, changed=True)

    def _has_identity(self, value: Any) -> bool:
        return not isinstance(value, IMMUTABLE) and id(value) not in self._substitutes

    def _move(self, place: Place, *, changed: bool) -> None:
        key, name = place
        kept = self.kept[key]
        self.kept[key] = replace(
            kept,
            changed=kept.changed | {name} if changed else kept.changed - {name},
            unchanged=kept.unchanged - {name} if changed else kept.unchanged | {name},
            passed=kept.passed - {name},
        )

    def _dump(
        self, values: dict[Place, Any], watched: Collection[int] = ()
    ) -> tuple[bytes, Capture]:
        try:
            return self._tried(values, watched)
        except Exception:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            # One cannot be copied for a reason that only trying shows: it goes as it is.
            for place, value in values.items():
                if not self._copies(value):
                    values[place] = _AsItIs(value)
            return self._tried(values, watched)

    def _tried(self, value: Any, watched: Collection[int] = ()) -> tuple[bytes, Capture]:
        """Raises what stands in the way of copying, however it is tried."""
        capture = self._new_capture(watched=watched)
        try:
            return capture.dump(value), capture
        except RuntimeError:  # too deep, or a thread of the plugin changed it meanwhile
            with unhurried():
                for _ in range(_TRIES):
                    capture = self._new_capture(deferred=True, watched=watched)
                    with suppress(RuntimeError):
                        return capture.dump(value), capture
            raise

    def _new_capture(self, *, deferred: bool = False, watched: Collection[int] = ()) -> Capture:
        return Capture(
            self._substitutes,
            plugins=self._plugins,
            find_module=self._find_module,
            entries=self._entries,
            deferred=deferred,
            watched=watched,
        )

    def _copies(self, value: Any) -> bool:
        try:
            self._tried(value)
        except Exception:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            return False
        return True

    def restored(self, generations: Sequence[Generation]) -> Restored:
        """The values bound to the classes and objects of `generations`, whose plugins are
        constructed. `kept` is exact afterwards."""
        binding = _Binding(generations)
        lost: list[Place] = []
        try:
            values = binding.load(self._dumped, self._capture.passed)
        except Exception:  # noqa: BLE001 - a plugin's __setstate__ may raise anything
            lost = [place for place in self._values if not self._binds(binding, place)]
            left = {place: value for place, value in self._values.items() if place not in lost}
            dumped, capture = self._dump(left)
            values = binding.load(dumped, capture.passed)
        self._give_up(generations, values)
        for (key, name), value in values.items():
            if id(value) in binding.unmatched and name != _CUSTOM:
                kept = self.kept[key]
                self.kept[key] = replace(kept, passed=kept.passed | {name})
        return Restored.of(values, lost=lost)

    def _give_up(self, generations: Sequence[Generation], values: dict[Place, Any]) -> None:
        """Takes out the resources that the new code makes in its own way."""
        kinds = {g.key: type(g.plugin) for g in generations}
        for place in self._handed_on & values.keys():
            key, name = place
            if key in kinds and is_made_anew(self._kinds[key], kinds[key], name):
                del values[place]
                self._move(place, changed=False)

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
        self.unmatched: set[int] = set()
        self._tables = {g.key: g.table for g in generations}
        self._substitutes = {
            f"{g.key}:{part}": value for g in generations for part, value in counterparts(g).items()
        }

    def load(self, dumped: bytes, passed: list[Any]) -> dict[Place, Any]:
        """Raises whatever a plugin's `__setstate__` raises, Vanished, or pickle's errors."""
        release = Release(
            dumped,
            passed=passed,
            substitutes=self._substitutes,
            find_module=self._find_module,
        )
        values: dict[Place, Any] = release.load_all()
        self.unmatched |= release.unmatched
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
            read_by_initialize=name not in state or reads(type(plugin), "initialize", name),
        )
        if winner is Winner.RUN_TIME:
            if now is not value:
                setattr(plugin, name, value)
            standing[name] = value
    return standing


def _equals(baseline: Baseline, generation: Generation, name: str, value: Any) -> bool:
    return baseline.fingerprints.get(name) == fingerprints(generation, {name: value})[name]
