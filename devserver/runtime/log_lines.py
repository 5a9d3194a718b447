"""Log records as they are shown: with the plugin's own frames, and without anybody's secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from devserver.runtime.tracebacks import format_error, has_plugin_code

PLUGINS = "plugins"
"""The logger that those of plugins are below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log record. `time` is Unix seconds."""

    time: float
    level: str
    logger: str
    message: str
    traceback: str | None = None

    @property
    def plugin(self) -> str | None:
        """The plugin (normalised) whose logger it came through; None for any other."""
        top, _, rest = self.logger.partition(".")
        return rest.partition(".")[0] if top == PLUGINS and rest else None

    def masked(self, mask: Callable[[str], str]) -> LogLine:
        """The same with its texts as `mask` gives them."""
        trace = self.traceback
        return replace(
            self,
            message=mask(self.message),
            traceback=None if trace is None else mask(trace),
        )


def line_of(record: logging.LogRecord) -> LogLine:
    """A record as it is shown; one that cannot be formatted becomes a line that says so."""
    try:
        return _formatted(record)
    except Exception:  # noqa: BLE001 - arguments of a plugin's record may do anything
        error = sys.exc_info()[1]
        text = f"a log record could not be formatted: {type(error).__name__}"
        return LogLine(time=record.created, level="WARNING", logger=record.name, message=text)


def _formatted(record: logging.LogRecord) -> LogLine:
    error = record.exc_info[1] if record.exc_info else None
    return LogLine(
        time=record.created,
        level=record.levelname,
        logger=record.name,
        message=record.getMessage(),
        traceback=None if error is None else _traceback_of(error),
    )


def _traceback_of(error: BaseException) -> str:
    """A plugin's own frames where there are some, as the generation that raised had them."""
    if has_plugin_code(error):
        return format_error(error)
    return "".join(traceback.format_exception(error)).rstrip("\n")
