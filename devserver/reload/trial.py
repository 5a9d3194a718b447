"""The trial: a candidate is executed in a separate process before the live one runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from devserver.core.diagnostics import Diagnostic
from devserver.core.source import PluginSource


class Trial(Protocol):
    """`entries` are the sources to be executed, dependencies first; `context` those of the live
    plugins that they import. Findings that are errors refuse the change.

    What passes is executed once more in the live process: module bodies run twice, and what they
    do to files or other systems happens twice. `safety.trial_process: false` in
    config/hot-loading.yaml is the way out; an endless loop, a crash or os._exit at import then
    hits the live server.
    """

    def examine(
        self,
        entries: Sequence[PluginSource],
        context: Sequence[PluginSource],
        *,
        timeout: float,
        is_overtaken: Callable[[], bool],
    ) -> tuple[Diagnostic, ...]:
        """Asks `is_overtaken` now and then whether to end early; raises Superseded when it
        did."""

    def close(self) -> None: ...
