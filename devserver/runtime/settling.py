"""What becomes of restored state in `initialize()`, and what later changes are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from devserver.core.merge import GLOBAL, Winner, after_initialize
from devserver.runtime.attributes import fingerprints, state_of
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.handover import reads
from devserver.runtime.persistent import find_home, put_global, replace_everywhere


def baseline_after(generation: Generation, restored: Mapping[str, Any]) -> Baseline:
    """What the state is compared with at the next reload. `restored` are the values that were
    put in and are to count as changed at run time while they are the same objects."""
    state = state_of(generation)
    sticky = frozenset(n for n, v in restored.items() if n in state and state[n] is v)
    fresh = {name: value for name, value in state.items() if name not in sticky}
    return Baseline(fingerprints=fingerprints(generation, fresh), sticky=sticky)


def settle(
    generation: Generation, restored: Mapping[str, Any], passed: Collection[str], old: Baseline
) -> dict[str, Any]:
    """After `initialize()`: decides each restored attribute and global that was reassigned since
    it was put in, and gives the restored values that stand."""
    state = state_of(generation)
    standing: dict[str, Any] = {}
    for name, value in restored.items():
        now = state.get(name)
        winner = after_initialize(
            same_object=name in state and now is value,
            passed=name in passed,
            reset=name in state and _equals(old, generation, name, now),
            read_by_initialize=name not in state or _may_be_derived(generation, name),
        )
        if winner is Winner.RUN_TIME:
            if now is not value:
                _put_back(generation, name, value)
            standing[name] = value
    return standing


def _may_be_derived(generation: Generation, name: str) -> bool:
    """A global is there from the start: any code may have made the new value of the old one."""
    return GLOBAL in name or reads(type(generation.plugin), "initialize", name)


def _put_back(generation: Generation, name: str, value: Any) -> None:
    if GLOBAL not in name:
        setattr(generation.plugin, name, value)
        return
    home = find_home(generation.table, name)
    if home is not None:
        replacement = put_global(home, name, value)
        modules = list(generation.table.modules.values())
        replace_everywhere([vars(m) for m in modules], [replacement])


def _equals(baseline: Baseline, generation: Generation, name: str, value: Any) -> bool:
    expected = baseline.fingerprints.get(name)
    if expected is None:
        return False
    return fingerprints(generation, {name: value}, {name: expected})[name] == expected
