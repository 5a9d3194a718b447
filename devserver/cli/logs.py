"""Logging of the product and of plugins, on the dev server's terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devserver.runtime.log_lines import PLUGINS, LogLine, line_of

PRODUCT = "devserver"


class TerminalHandler(logging.Handler):
    """Gives every record to `show`. The product's own records below `own_level` are left out."""

    def __init__(self, show: Callable[[LogLine], None], *, own_level: int) -> None:
        super().__init__()
        self._show = show
        self._own_level = own_level

    def emit(self, record: logging.LogRecord) -> None:
        if not (_is_own(record.name) and record.levelno < self._own_level):
            self._show(line_of(record))


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
        plugin = line.plugin
        show(line if plugin is None else line.masked(lambda text: mask(plugin, text)))

    return masked


def set_debug(debug: bool) -> None:
    """Lets the product log at DEBUG, or from INFO."""
    logging.getLogger(PRODUCT).setLevel(logging.DEBUG if debug else logging.INFO)


def _is_own(name: str) -> bool:
    return name == PRODUCT or name.startswith(f"{PRODUCT}.")
