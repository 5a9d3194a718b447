"""Module-level state: the globals that a plugin's modules name in `PERSISTENT`.

Such a global is known as `store:counter` (module and name; `:counter` in the plugin's own
package or single file), which no attribute can be called.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from devserver.core.merge import GLOBAL
from devserver.runtime.capture_instances import IMMUTABLE
from devserver.runtime.generation import Generation
from devserver.runtime.kinds import is_a
from devserver.runtime.modules import ModuleTable

DECLARATION = "PERSISTENT"
_DEFINITIONS = (type, types.FunctionType, types.BuiltinFunctionType)


def globals_of(generation: Generation) -> dict[str, Any]:
    """The declared globals that have a value. Runs no code of the plugin."""
    found = {}
    for module_name, module in list(generation.table.modules.items()):
        label = module_name[len(generation.table.package) + 1 :]
        values = vars(module)
        for name in _names(values):
            if _why_not(values, name) is None:
                found[f"{label}{GLOBAL}{name}"] = values[name]
    return found


def problems_of(generation: Generation) -> list[str]:
    """What is wrong with the declarations, as lines for people."""
    found = []
    for module_name, module in list(generation.table.modules.items()):
        values = vars(module)
        if DECLARATION in values and not _is_declaration(values[DECLARATION]):
            found.append(f"{module_name}: {DECLARATION} must be a tuple of names of its globals")
        for name in _names(values):
            why = _why_not(values, name)
            if why is not None:
                found.append(f"{module_name}: {DECLARATION} names {name!r}, {why}")
    return found


def _is_declaration(value: Any) -> bool:
    return type(value) in (tuple, list) and all(type(name) is str for name in value)


def _names(values: Mapping[str, Any]) -> list[str]:
    declared = values.get(DECLARATION, ())
    return sorted(set(declared)) if _is_declaration(declared) else []


def _why_not(values: Mapping[str, Any], name: str) -> str | None:
    if name not in values:
        return "which it does not have"
    value = values[name]
    if name == DECLARATION or name.startswith("__"):
        return "which is no state"
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        return "which is a module"
    if issubclass(kind, _DEFINITIONS) and value.__qualname__ == name:
        return "which is a class" if issubclass(kind, type) else "which is a function"
    return None


def find_home(table: ModuleTable, place: str) -> dict[str, Any] | None:
    """The namespace in which a global of that name lives; None when the module is not there.
    Raises what executing the module raises."""
    label = place.rpartition(GLOBAL)[0]
    name = f"{table.package}.{label}" if label else table.package
    return vars(table.load(name)) if table.has(name) else None


def declares(home: Mapping[str, Any], place: str) -> bool:
    """True when a module names the global as state."""
    return place.rpartition(GLOBAL)[2] in _names(home)


def names_of(home: Mapping[str, Any], value: Any) -> frozenset[str]:
    """All names that a module has for an object."""
    return frozenset(name for name, known in list(home.items()) if known is value)


@dataclass(frozen=True, slots=True, eq=False)
class Replacement:
    """`after` is to be where `before` is; under these names alone, unless they are None."""

    before: Any
    after: Any
    names: frozenset[str] | None = None


def put_global(
    home: dict[str, Any], place: str, value: Any, same: frozenset[str] | None = None
) -> Replacement:
    """Gives the global its value; gives what is to be done where it is known by other names.
    `same` are the names that the old module had for the object (None: those of this one)."""
    name = place.rpartition(GLOBAL)[2]
    before = home.get(name)
    names = names_of(home, before)
    home[name] = value
    # `current = DEFAULT` does not make what `current` has become the default.
    differs = same is not None and not names <= same | {name}
    return Replacement(before, value, (same or frozenset()) | {name} if differs else None)


def replace_everywhere(
    namespaces: Iterable[dict[str, Any]], replacements: Iterable[Replacement]
) -> None:
    """Whoever has a name for an object (`from .store import cache`) has it for the other one
    from then on. Immutable values have no identity and are left as they are."""
    known = {
        id(r.before): r
        for r in replacements
        if not is_a(r.before, IMMUTABLE) and r.before is not r.after
    }
    if not known:
        return
    for namespace in namespaces:
        for name, value in list(namespace.items()):
            found = known.get(id(value))
            if found is not None and (found.names is None or name in found.names):
                namespace[name] = found.after
