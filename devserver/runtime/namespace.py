"""`plugins` as one generation sees it, and as everybody else does; which modules are packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from devserver.core.source import SourceFile


class NamespaceRoot(ModuleType):
    """The module `plugins` of one generation: `plugins.other` is the other plugin as that
    generation sees it. `find(absolute name)` gives a module or raises ModuleNotFoundError."""

    def __init__(self, name: str, find: Callable[[str], ModuleType]) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__dict__["_find"] = find

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self.__dict__["_find"](f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(str(error)) from error


class LiveRoot(NamespaceRoot):
    """`plugins` as everybody else sees it: `plugins.users` is what sys.modules has at that moment.

    It keeps no module that an import would leave here: that were of an old generation soon."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, _imported)
        self.__path__ = [str(folder)]

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, ModuleType):
            super().__setattr__(name, value)


def _imported(name: str) -> ModuleType:
    if name not in sys.modules:
        raise ModuleNotFoundError(f"no module {name!r} has been imported", name=name)
    return sys.modules[name]


def packages_of(
    files: Mapping[str, SourceFile], package: str, *, single_file: bool
) -> frozenset[str]:
    """The import names of a plugin's packages, those without `__init__.py` too."""
    if single_file:
        return frozenset()
    found = {package}
    for name, file in files.items():
        if file.relative.endswith("__init__.py"):
            found.add(name)
        parent = name.rpartition(".")[0]
        while parent.startswith(package):
            found.add(parent)
            parent = parent.rpartition(".")[0]
    return frozenset(found)
