"""Plugins that come with installed distributions, found without importing anything of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

from devserver.core.errors import DevServerError
from devserver.core.names import normalise

GROUP = "devserver.plugins"


def find_source(name: str) -> Path:
    """The folder, or the single file, of the plugin that an installed distribution offers under
    that name: the entry point `NAME = package.module:Class` in the group `devserver.plugins`.

    Raises DevServerError.
    """
    importlib.invalidate_caches()
    points = {normalise(point.name): point for point in metadata.entry_points(group=GROUP)}
    point = points.get(normalise(name))
    if point is None:
        known = ", ".join(sorted(p.name for p in points.values())) or "none"
        raise DevServerError(
            f"no installed distribution offers a plugin {name!r}",
            hint=f"installed are: {known}; they are entry points of the group {GROUP}",
        )
    place = _find(point.value.partition(":")[0].strip().split("."))
    if place is None:
        raise DevServerError(
            f"the entry point {name!r} names {point.value}, which has no source here",
            hint="offer a module with a .py file, and install the distribution again",
        )
    return place


def _find(parts: Sequence[str]) -> Path | None:
    """The folder or file of a module. The top is found by the interpreter's own finders, what is
    below it on the disk: `find_spec` of a dotted name would import the packages around it."""
    spec = _spec(parts[0])
    if spec is None:
        return None
    file = None if spec.origin is None else Path(spec.origin)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    for part in parts[1:]:
        file, folders = _below(folders, part)
    if file is None or file.suffix != ".py" or not file.is_file():
        return None
    return file.parent if file.name in ("__init__.py", "plugin.py") else file


def _spec(top: str) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = None if find is None else find(top, None, None)
        if spec is not None:
            return spec
    return None


def _below(folders: Sequence[Path], part: str) -> tuple[Path | None, list[Path]]:
    """The file of a module in one of the folders, and the folders of what is below it."""
    for folder in folders:
        if (folder / part / "__init__.py").is_file():
            return folder / part / "__init__.py", [folder / part]
        if (folder / f"{part}.py").is_file():
            return folder / f"{part}.py", []
    return None, [folder / part for folder in folders if (folder / part).is_dir()]
