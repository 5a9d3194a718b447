"""Asks Python's finders for modules, so that none of them imports anything."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

_BUILTIN_FINDERS = (importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)
_FINDERS_OF_OURS = "devserver"


def find_top(name: str) -> ModuleSpec | None:
    """The spec of a top-level module, None where there is none."""
    if name == "__main__":
        return ModuleSpec(name, None)
    for finder in (*_BUILTIN_FINDERS, importlib.machinery.PathFinder):
        spec = finder.find_spec(name)
        if spec is not None:
            return spec
    return next(_found_by_others(name), None)


def _found_by_others(name: str) -> Iterator[Any]:
    """What finders of editable installs and the like know; none of them is asked for a module
    below another one, which some answer by importing that."""
    known = (*_BUILTIN_FINDERS, importlib.machinery.PathFinder)
    for finder in sys.meta_path:
        module = getattr(finder, "__module__", None) or type(finder).__module__
        if finder in known or module.partition(".")[0] in (_FINDERS_OF_OURS, "_distutils_hack"):
            continue
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec = find_spec(name, None) if find_spec is not None else None
        except Exception:  # noqa: BLE001 - a finder that some package installed may raise anything
            continue
        if spec is not None:
            yield spec


def find_below(name: str, parent: ModuleSpec) -> ModuleSpec | None:
    """The spec of a module below one that was found, None where there is none."""
    locations = _locations(parent)
    try:
        return importlib.machinery.PathFinder.find_spec(name, locations)
    except KeyError:
        # A namespace package below one that is not imported: a folder and nothing else.
        spec = ModuleSpec(name, None, is_package=True)
        folders = (Path(place, name.rpartition(".")[2]) for place in locations)
        spec.submodule_search_locations = [str(f) for f in folders if f.is_dir()]
        return spec


def _locations(spec: ModuleSpec) -> list[str]:
    locations: Any = spec.submodule_search_locations
    # Iterating over that of a nested namespace package looks its parent up in sys.modules.
    return list(getattr(locations, "_path", locations) or ())


def is_promised(top: str) -> bool:
    """`distutils` can be there by a hook that setuptools installs."""
    return top == "distutils" and any(
        type(f).__module__ == "_distutils_hack" for f in sys.meta_path
    )
