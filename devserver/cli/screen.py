"""What a view of the dev server's terminal is told, and what it must be able to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import Outcome
from devserver.reload.journal import FeedEvent
from devserver.runtime.log_lines import LogLine
from devserver.runtime.registry import PluginRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The server as it stands when it is ready. `link` carries the run's token; `mode` is
    native, polling or off; `settings` are findings in the configuration, `warnings` those of
    plugins that serve, or would; `waiting` are loaded at their first use."""

    project: str
    url: str
    link: str
    mode: str
    active: int
    failed: tuple[PluginRecord, ...]
    disabled: int
    ready_ms: float
    hot_reload: bool = True
    settings: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    waiting: int = 0


class View(Protocol):
    """One way to show the dev server. `time` is Unix seconds; everything comes on one thread."""

    def ready(self, banner: Banner, time: float, /) -> None: ...

    def event(self, event: FeedEvent, outcome: Outcome | None, time: float, /) -> None: ...

    def log(self, line: LogLine, /) -> None: ...

    def say(self, word: str, time: float, /) -> None:
        """`stopping`, `stopped`, or that lines were dropped."""
        ...
