"""`importlib.import_module` as plugin code is to see it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

from devserver.runtime.modules import ROOT, GenerationLoader


class ImportModule:
    """While installed, `importlib.import_module` called by plugin code gives the modules that
    an import statement at that place gives: those of the caller's own generation and of what
    that generation sees. sys.modules alone would show a candidate's modules to the code that
    still serves. Every other call goes to the function that was there before.
    """

    def __init__(self) -> None:
        self._before: Callable[..., ModuleType] | None = None
        self._own: Callable[..., ModuleType] | None = None

    def install(self) -> None:
        """Takes the place of `importlib.import_module`."""
        self._before = importlib.import_module
        self._own = _seen_from_plugins(self._before)
        importlib.import_module = self._own

    def uninstall(self) -> None:
        """Puts back what was there before, unless somebody else has taken the place since."""
        if self._before is not None and importlib.import_module is self._own:
            importlib.import_module = self._before
        self._before = self._own = None


def _seen_from_plugins(before: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
    @functools.wraps(before)
    def import_module(name: str, package: str | None = None) -> ModuleType:
        loader = sys._getframe(1).f_globals.get("__loader__")
        if isinstance(loader, GenerationLoader):
            absolute = _absolute(name, package)
            if absolute == ROOT or absolute.startswith(f"{ROOT}."):
                return loader.table.module_for(absolute)
        return before(name, package)

    return import_module


def _absolute(name: str, package: str | None) -> str:
    """The name that is meant; "" where only the standard function can say what is wrong."""
    if not isinstance(name, str) or (name.startswith(".") and not package):
        return ""
    return importlib.util.resolve_name(name, package)
