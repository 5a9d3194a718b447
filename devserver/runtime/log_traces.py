"""What plugin code did to the loggers of the process, and how it is taken back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from devserver.runtime.modules import ModuleTable
from devserver.runtime.ownership import belongs
from devserver.runtime.traces import Board, others, position


@dataclass(eq=False, slots=True)
class LogHandler:
    """A handler at a logger."""

    logger: logging.Logger
    handler: logging.Handler

    def undo(self, board: Board) -> None:
        rest = others(self, board)
        if any(t.handler is self.handler and t.logger is self.logger for t in rest):
            return
        self.logger.removeHandler(self.handler)
        if not any(self.handler in logger.handlers for logger in _all_loggers()):
            self.handler.close()

    @property
    def is_there(self) -> bool:
        return self.handler in self.logger.handlers

    def is_code_of(self, table: ModuleTable) -> bool:
        """True when it runs code of that generation: it, its formatter or a filter is of one of
        its classes."""
        parts = (self.handler, self.handler.formatter, *self.handler.filters)
        return any(part is not None and belongs(part, table) for part in parts)

    def __str__(self) -> str:
        return f"log handler {type(self.handler).__name__} at {self.logger.name!r}"


@dataclass(eq=False, slots=True)
class LogFilter:
    """A filter at a logger or handler."""

    filterer: logging.Filterer
    filter: Any

    def undo(self, board: Board) -> None:
        rest = others(self, board)
        shared = any(t.filter is self.filter and t.filterer is self.filterer for t in rest)
        at = position(self.filterer.filters, self.filter)
        if not shared and at is not None:
            del self.filterer.filters[at]

    @property
    def is_there(self) -> bool:
        return position(self.filterer.filters, self.filter) is not None

    def __str__(self) -> str:
        return f"log filter at {getattr(self.filterer, 'name', self.filterer)!r}"


def adds_handlers(table: ModuleTable) -> bool:
    """True when the source of a generation names a way to add a log handler."""
    files = table.source.modules().values()
    return any(word in file.content for file in files for word in _ADDING)


_ADDING = (b"addHandler", b"basicConfig", b"dictConfig", b"fileConfig")


def _all_loggers() -> list[logging.Logger]:
    """Every logger there is, the root first."""
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]
