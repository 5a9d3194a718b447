"""How code outside of plugins finds their modules."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
from collections.abc import Callable, Sequence
from types import ModuleType

from devserver.runtime.modules import ROOT, ModuleTable


class PluginFinder(importlib.abc.MetaPathFinder):
    """Answers imports below `plugins` that come from outside of plugin code.
    `table_of(key)` gives the table to look in."""

    def __init__(self, table_of: Callable[[str], ModuleTable | None]) -> None:
        self._table_of = table_of

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the finder protocol
        target: ModuleType | None = None,  # noqa: ARG002 - the finder protocol
    ) -> importlib.machinery.ModuleSpec | None:
        parts = fullname.split(".")
        if len(parts) < 2 or parts[0] != ROOT:
            return None
        table = self._table_of(parts[1])
        if table is None or not table.has(fullname):
            return None
        return table.spec_of(fullname)
