"""Takes the state of old generations and gives it to their successors."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devserver.core.merge import GLOBAL, Change, changed_since, goes_on
from devserver.runtime.attributes import fingerprints, state_of
from devserver.runtime.capture import Capture
from devserver.runtime.capture_instances import IMMUTABLE
from devserver.runtime.dumping import Dumping
from devserver.runtime.generation import Generation
from devserver.runtime.handover import is_ended_by, is_made_anew, is_resource
from devserver.runtime.kinds import is_a
from devserver.runtime.persistent import find_home, names_of
from devserver.runtime.queues import exchange
from devserver.runtime.restoring import CUSTOM, Dumped, Place, Restored, Restoring
from devserver.runtime.waiting_events import WaitingEvents

__all__ = ["Kept", "Restored", "Snapshot", "Taking"]


@dataclass(frozen=True, slots=True)
class Kept:
    """Names of one plugin's attributes and globals: `changed` at run time, and so captured; of
    these, `passed` go by reference; `unchanged` take the new code's value. `version` is the old
    one."""

    changed: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    version: str = ""


class Snapshot:
    """The run-time state of all generations of a transaction. All values are in one pickle, so
    objects that plugins share stay shared. `custom` maps plugins to what get_persistent_state()
    gave, `events` are what they have not heard yet. Of those in `anew` there is nothing, but
    references of others to them are kept."""

    def __init__(
        self,
        generations: Sequence[Generation],
        custom: Mapping[str, Any],
        events: WaitingEvents | None = None,
        anew: Collection[str] = (),
    ) -> None:
        self._dumping = Dumping(generations, events)
        self._kinds = {g.key: type(g.plugin) for g in generations}
        self._handed_on: set[Place] = set()
        self.values: dict[Place, Any] = {}
        self.aliases: dict[Place, frozenset[str]] = {}
        self._waiting: list[tuple[Any, list[Any], list[Any]]] = []
        self.kept: dict[str, Kept] = {}
        unchanged: dict[Place, Any] = {}
        for generation in generations:
            if generation.key not in anew:
                unchanged |= self._keep(generation)
        self.dumped = self._dump_with_shared(unchanged)
        if custom:
            self.values |= {(key, CUSTOM): value for key, value in custom.items()}
            self.dumped = self.dump(self.values)
        for key, kept in self.kept.items():
            passes = self.dumped.capture.is_passed
            passed = frozenset(n for n in kept.changed if passes(self.values[key, n]))
            self.kept[key] = replace(kept, passed=passed)

    # -- what goes on --------------------------------------------------------------------------

    def _keep(self, generation: Generation) -> dict[Place, Any]:
        """Takes what was changed, and resources; gives the rest."""
        key, state, baseline = generation.key, state_of(generation), generation.baseline
        fresh = {n: v for n, v in state.items() if n not in baseline.sticky}
        current = fingerprints(generation, fresh, baseline.fingerprints)
        changes = changed_since(baseline.fingerprints, state, current)
        capture = self._dumping.new_capture(Capture)
        changed = set()
        for name, change in changes.items():
            value = state[name]
            resource = is_resource(value, capture)
            if goes_on(
                change, resource=resource, ended=resource and is_ended_by(generation, name, value)
            ):
                changed.add(name)
                self.values[key, name] = value
                if change is Change.UNCHANGED:
                    self._handed_on.add((key, name))
            home = find_home(generation.table, name) if GLOBAL in name else None
            if home is not None:
                self.aliases[key, name] = names_of(home, value)
        left = frozenset(state) - changed
        self.kept[key] = Kept(frozenset(changed), left, version=generation.version)
        return {(key, name): state[name] for name in left}

    def _dump_with_shared(self, unchanged: dict[Place, Any]) -> Dumped:
        """Attributes whose object is also held by what is kept are kept, so that they go on
        sharing it."""
        left = {p: v for p, v in _held_elsewhere(unchanged).items() if self._has_identity(v)}
        unchanged.clear()
        while True:
            watched = {id(v) for v in left.values()}
            dumped = self._dumping.dump(self.values, watched=watched)
            shared = {p: v for p, v in left.items() if id(v) in dumped.capture.met}
            if not shared:
                return dumped
            self.values |= shared
            for place in shared:
                del left[place]
                self._move(place, changed=True)

    def _has_identity(self, value: Any) -> bool:
        return not is_a(value, IMMUTABLE) and id(value) not in self._dumping.substitutes

    def _move(self, place: Place, *, changed: bool) -> None:
        key, name = place
        kept = self.kept[key]
        self.kept[key] = replace(
            kept,
            changed=kept.changed | {name} if changed else kept.changed - {name},
            unchanged=kept.unchanged - {name} if changed else kept.unchanged | {name},
            passed=kept.passed - {name},
        )

    # -- the way back --------------------------------------------------------------------------

    def dump(self, values: dict[Place, Any]) -> Dumped:
        """Captures another choice of the values."""
        return self._dumping.dump(values)

    def restored(self, generations: Sequence[Generation]) -> Restored:
        """The values bound to the classes and objects of `generations`, whose plugins are
        constructed. `kept` is exact afterwards."""
        return self.restoring(generations).finish()

    def restoring(self, generations: Sequence[Generation]) -> Taking:
        """The same in two steps: globals have their values at once, while the plugins are not
        constructed yet."""
        restoring = Restoring(self, generations)
        restoring.begin()
        return Taking(self, restoring, generations)

    def taken(self, restoring: Restoring, generations: Sequence[Generation]) -> Restored:
        """The second step."""
        loaded = restoring.finish()
        self._waiting = loaded.waiting
        kinds = {g.key: type(g.plugin) for g in generations}
        for place in self._handed_on & loaded.values.keys():
            key, name = place
            if key in kinds and is_made_anew(self._kinds[key], kinds[key], name):
                del loaded.values[place]
                self._move(place, changed=False)
        for place in loaded.undeclared:
            self._move(place, changed=False)
        for (key, name), value in loaded.values.items():
            if id(value) in loaded.unmatched and name != CUSTOM:
                kept = self.kept[key]
                self.kept[key] = replace(kept, passed=kept.passed | {name})
        return Restored.of(loaded.values, lost=loaded.lost)

    def foreseen(self, key: str) -> Kept:
        """What a successor of the same code would keep of a plugin."""
        kind = self._kinds[key]
        for owner, name in self._handed_on:
            if owner == key and is_made_anew(kind, kind, name):
                self._move((owner, name), changed=False)
        return self.kept[key]

    @property
    def notes(self) -> list[str]:
        """What people should know of the values that were captured."""
        names = {
            f"{kind.__module__}.{kind.__qualname__}"
            for kind in self.dumped.capture.passed
            if is_a(kind, type) and self.dumped.capture.is_replaced(kind.__module__)
        }
        return [
            f"state: instances of {name} stay of the old class: the new code does not know it "
            "under that name"
            for name in sorted(names)
        ]

    def hand_over(self) -> None:
        """The successors are live: what waits in queues that they share is made theirs."""
        for waiting, before, after in self._waiting:
            exchange(waiting, before, after)


@dataclass(frozen=True, slots=True)
class Taking:
    """A restoring of which the second step is to be done."""

    snapshot: Snapshot
    restoring: Restoring
    generations: Sequence[Generation]

    def finish(self) -> Restored:
        """All values; the plugins are constructed."""
        return self.snapshot.taken(self.restoring, self.generations)


def _held_elsewhere(values: dict[Place, Any]) -> dict[Place, Any]:
    """Those of `values` that more refers to than their own attribute or global and this mapping;
    only these can be shared."""
    control: dict[Place, Any] = {("", ""): object()}
    owner = list(control.values())
    alone = max(_references(control).values())
    owner.clear()
    return {p: values[p] for p, count in _references(values).items() if count > alone}


def _references(values: dict[Place, Any]) -> dict[Place, int]:
    return {place: sys.getrefcount(value) for place, value in values.items()}
