"""The last log records, for whoever wants to see what was logged."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from devserver.runtime.log_lines import LogLine, line_of
from devserver.runtime.secrets import Secrets

LEVELS = ("debug", "info", "warning", "error", "critical")
CAPACITY = 2_000
_MESSAGE, _TRACEBACK = 8_000, 20_000
"""Characters that are kept of one record."""


class LogRing(logging.Handler):
    """Keeps the last `CAPACITY` records as text, secrets masked: no object of a plugin stays
    alive for it. It gets what the levels of the loggers let through, from `attach` to `detach`."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets
        self._numbers = itertools.count(1)
        self._kept: deque[tuple[int, LogLine]] = deque(maxlen=CAPACITY)
        self._changes = threading.Lock()
        self._loggers: list[logging.Logger] = []

    def attach(self, names: Iterable[str]) -> None:
        """Listens to loggers and those below them; "" is all of them."""
        self._loggers = [logging.getLogger(name) for name in names]
        for logger in self._loggers:
            logger.addHandler(self)

    def detach(self) -> None:
        """Listens no more; what is kept stays."""
        while self._loggers:
            self._loggers.pop().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        line = line_of(record)
        plugin = line.plugin
        if plugin is None:
            line = line.masked(self._secrets.mask_all)
        else:
            line = line.masked(lambda text: self._secrets.mask(plugin, text))
        with self._changes:
            self._kept.append((next(self._numbers), _shortened(line)))
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and self._is_alone(record.name):
            last.handle(record)  # as it would have come without us

    def recent(
        self,
        *,
        level: str = "debug",
        plugin: str | None = None,
        text: str = "",
        limit: int = 100,
        after: int = 0,
    ) -> list[dict[str, Any]]:
        """`{id, time, level, logger, plugin, message, traceback}`, newest first: of at least
        `level`, of a plugin (normalised), with `text` in them in whichever case, and of a higher
        id than `after`."""
        with self._changes:
            kept = list(self._kept)
        least = logging.getLevelName(level.upper())
        wanted = text.casefold()
        found = (
            _document(number, line)
            for number, line in reversed(kept)
            if number > after
            and _number_of(line.level) >= least
            and plugin in (None, line.plugin)
            and any(wanted in part.casefold() for part in _texts(line))
        )
        return list(itertools.islice(found, limit))

    def _is_alone(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True


def _number_of(level: str) -> int:
    """A level that a plugin made up itself is one in any case."""
    number = logging.getLevelName(level)
    return number if isinstance(number, int) else logging.CRITICAL


def _texts(line: LogLine) -> Iterator[str]:
    yield from (line.message, line.logger, line.traceback or "")


def _document(number: int, line: LogLine) -> dict[str, Any]:
    return {
        "id": number,
        "plugin": line.plugin,
        **asdict(line),
    }


def _shortened(line: LogLine) -> LogLine:
    trace = line.traceback
    return replace(
        line,
        message=_cut(line.message, _MESSAGE),
        traceback=None if trace is None else _cut(trace, _TRACEBACK),
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"
