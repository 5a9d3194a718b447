"""What of a generation is its plugin's state, and what of it has a counterpart in the next."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from devserver.runtime.fingerprint import fingerprint
from devserver.runtime.generation import Generation
from devserver.runtime.persistent import globals_of
from devserver.runtime.release import is_of_plugin
from devserver.sdk.plugin import OWN_ATTRIBUTES


def state_of(generation: Generation) -> dict[str, Any]:
    """The attributes and the globals of modules that are the plugin's state, by name. Runs no
    code of the plugin."""
    return attributes_of(generation) | globals_of(generation)


def attributes_of(generation: Generation) -> dict[str, Any]:
    """The attributes alone."""
    plugin = generation.plugin
    try:
        values = dict(object.__getattribute__(plugin, "__dict__"))
    except AttributeError:
        values = {}
    for cls in type(plugin).__mro__:
        for name, slot in vars(cls).items():
            if isinstance(slot, types.MemberDescriptorType):
                with suppress(AttributeError):
                    values.setdefault(name, slot.__get__(plugin, type(plugin)))
    return {
        name: value
        for name, value in values.items()
        if not name.startswith("_")
        and name not in OWN_ATTRIBUTES
        and name not in generation.connections
    }


def substitutes_of(generations: Iterable[Generation]) -> dict[int, str]:
    """Objects of a generation that have a counterpart in the next: id → key."""
    found: dict[int, str] = {}
    for generation in generations:
        for part, value in counterparts(generation).items():
            found[id(value)] = f"{generation.key}:{part}"
    return found


_OF_THE_MOMENT = frozenset({"patch", "db"})
"""Parts of the context that nobody keeps: each use gets one of its own."""


def counterparts(generation: Generation) -> dict[str, Any]:
    """The objects of a generation that its successor has too, by part."""
    plugin = generation.plugin
    parts = {"plugin": plugin, "host": generation.host, "app": generation.app}
    if plugin is not None and plugin._ctx is not None:
        ctx = plugin._ctx
        parts |= {
            "ctx": ctx,
            **{f"ctx.{name}": ctx[name] for name in ctx if name not in _OF_THE_MOMENT},
        }
    return {name: value for name, value in parts.items() if value is not None}


def entries_of(generations: Iterable[Generation]) -> dict[tuple[str, str], str]:
    """Module and name of the plugins' classes → key; also objects of generations before these
    have their counterpart in the next."""
    kinds = {g.key: type(g.plugin) for g in generations if g.plugin is not None}
    return {(k.__module__, k.__qualname__): f"{key}:plugin" for key, k in kinds.items()}


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


def fingerprints(
    generation: Generation,
    values: Mapping[str, Any],
    expected: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Name → fingerprint, as they are compared from generation to generation. With `expected`,
    earlier ones, values are read only as far as it takes to see that they are others."""
    known = substitutes_of([generation]), module_finder([generation]), entries_of([generation])
    before = expected or {}
    return {n: fingerprint(v, *known, expected=before.get(n)) for n, v in values.items()}
