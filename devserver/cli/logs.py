"""Logging of the product and of plugins, on the dev server's terminal."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from devserver.cli.screen import LogLine
from devserver.runtime.tracebacks import format_error, has_plugin_code

PRODUCT = "devserver"
PLUGINS = "plugins"


class TerminalHandler(logging.Handler):
    """Gives every record to `show`. The product's own records below `own_level` are left out."""

    def __init__(self, show: Callable[[LogLine], None], *, own_level: int) -> None:
        super().__init__()
        self._show = show
        self._own_level = own_level

    def emit(self, record: logging.LogRecord) -> None:
        if _is_own(record.name) and record.levelno < self._own_level:
            return
        try:
            self._show(_line_of(record))
        except Exception:  # noqa: BLE001 - arguments of a plugin's record may do anything
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """One line in place of a record that cannot be formatted; never a traceback of ours."""
        error = sys.exc_info()[1]
        text = f"a log record could not be formatted: {type(error).__name__}"
        self._show(LogLine(time=record.created, level="WARNING", logger=record.name, message=text))


@contextmanager
def logging_to(show: Callable[[LogLine], None], *, rich: bool, verbose: bool) -> Iterator[None]:
    """All records of plugins from INFO, of others from WARNING, and of the product: everything
    that its level lets through, but on a rich terminal only warnings, unless `verbose`."""
    own_level = logging.WARNING if rich and not verbose else logging.NOTSET
    handler = TerminalHandler(show, own_level=own_level)
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in (PRODUCT, PLUGINS, "werkzeug")}
    logging.getLogger(PLUGINS).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    set_debug(False)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def without_secrets(
    show: Callable[[LogLine], None], mask: Callable[[str, str], str]
) -> Callable[[LogLine], None]:
    """Shows what plugins log without their secrets; `mask` takes a plugin and a text."""

    def masked(line: LogLine) -> None:
        top, _, rest = line.logger.partition(".")
        if top == PLUGINS and rest:
            plugin, trace = rest.partition(".")[0], line.traceback
            line = replace(
                line,
                message=mask(plugin, line.message),
                traceback=None if trace is None else mask(plugin, trace),
            )
        show(line)

    return masked


def set_debug(debug: bool) -> None:
    """Lets the product log at DEBUG, or from INFO."""
    logging.getLogger(PRODUCT).setLevel(logging.DEBUG if debug else logging.INFO)


def _is_own(name: str) -> bool:
    return name == PRODUCT or name.startswith(f"{PRODUCT}.")


def _line_of(record: logging.LogRecord) -> LogLine:
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
