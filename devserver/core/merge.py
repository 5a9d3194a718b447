"""The three-way merge of a plugin's state, attribute by attribute and global by global."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

GLOBAL = ":"
"""Stands before the name of a module's global, where the name of an attribute has nothing."""


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
    """Names as an outcome lists them: `count`, `store:cache` (a global of a module) for the
    plugin asked for, `orders.count`, `orders.store:cache` for others; a global of the plugin's
    own package or file is `orders:cache` for all."""
    return tuple(_qualified(name, plugin, main=main) for name in sorted(names))


def _qualified(name: str, plugin: str, *, main: str) -> str:
    if name.startswith(GLOBAL):
        return plugin + name
    return name if plugin == main else f"{plugin}.{name}"
