"""The trial: a candidate is executed in a separate process before the live one runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from devserver.core.changes import ChangeBatch
from devserver.core.diagnostics import Diagnostic
from devserver.core.source import PluginSource


class Superseded(Exception):
    """What was being tried has been saved anew meanwhile: it is neither good nor bad, and the
    newer content is to be tried in its place."""


class Trial(Protocol):
    """`entries` are the sources to be executed, dependencies first; `context` those of the live
    plugins that they import. Findings that are errors refuse the change.

    What passes is executed once more in the live process: module bodies run twice, and what they
    do to files or other systems happens twice. `safety.trial_process: false` in
    config/hot-loading.yaml is the way out; an endless loop, a crash or os._exit at import then
    hits the live server.
    """

    def examine(
        self, entries: Sequence[PluginSource], context: Sequence[PluginSource], *, timeout: float
    ) -> tuple[Diagnostic, ...]:
        """Raises Superseded when `abandon` told of newer content."""

    def abandon(self, batch: ChangeBatch) -> None:
        """These files have just been saved. An examination of other content of them that hangs
        ends now; from any thread."""

    def close(self) -> None: ...
