"""The three-way merge of a plugin's state, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum


class Change(Enum):
    """What happened to an attribute since its generation was initialised."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"


def changed_since(
    baseline: Mapping[str, bytes], attributes: Iterable[str], current: Mapping[str, bytes]
) -> dict[str, Change]:
    """For each of `attributes` whether it was changed at run time.

    One without a fingerprint in `current` is sticky (restored earlier and never reassigned),
    which counts as changed.
    """
    return {
        name: Change.UNCHANGED
        if name in current and baseline.get(name) == current[name]
        else Change.CHANGED
        for name in attributes
    }


def goes_on(change: Change, *, resource: bool, ended: bool) -> bool:
    """Whether an attribute's run-time value goes on to the next generation.

    A `resource` cannot be compared by what it holds, so it goes on as it is, unless the old
    generation has `ended` it by then.
    """
    if resource:
        return not ended
    return change is Change.CHANGED


class Winner(Enum):
    """Whose value an attribute has after `initialize()` ran over restored state."""

    RUN_TIME = "run-time"
    CODE = "code"


def after_initialize(
    *, same_object: bool, passed: bool, reset: bool, read_by_initialize: bool
) -> Winner:
    """Who wins an attribute that was restored before `initialize()`.

    `same_object`: initialize() did not touch it. `passed`: the run-time value could only be
    handed over by reference. `reset`: what initialize() assigned equals what the old
    generation's initialize() had assigned. `read_by_initialize`: its code reads the attribute,
    so what it assigned may have been made from the restored value.

    A plain reset to the initial value is undone, because the attribute was changed at run time;
    a value that was derived from the restored one, and a resource opened anew, stand.
    """
    if same_object:
        return Winner.RUN_TIME
    if passed:
        return Winner.CODE
    if reset or not read_by_initialize:
        return Winner.RUN_TIME
    return Winner.CODE


def qualified(names: Iterable[str], plugin: str, *, main: str) -> tuple[str, ...]:
    """Attribute names as an outcome lists them: plain for the plugin asked for."""
    ordered = sorted(names)
    return tuple(ordered if plugin == main else (f"{plugin}.{name}" for name in ordered))
