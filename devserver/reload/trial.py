"""The trial: a candidate is executed in a separate process before the live one runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from devserver.core.diagnostics import Diagnostic
from devserver.core.source import PluginSource


class Trial(Protocol):
    """`entries` are the sources to be executed, dependencies first; `context` those of the live
    plugins that they import. Findings that are errors refuse the change."""

    def examine(
        self, entries: Sequence[PluginSource], context: Sequence[PluginSource], *, timeout: float
    ) -> tuple[Diagnostic, ...]: ...

    def close(self) -> None: ...
