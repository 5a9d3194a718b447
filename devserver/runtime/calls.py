"""Calls to the standard library's registries, seen with whoever makes them.

A registry that cannot be listed, or in which the same entry may be several people's, does not
tell afterwards who put what there. So the functions that register are wrapped while a host runs:
they do what they always do, and note what plugin code did.
"""

from __future__ import annotations

import atexit
import codecs
import functools
import logging
import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from devserver.runtime.log_traces import LogFilter, LogHandler
from devserver.runtime.modules import ModuleTable
from devserver.runtime.ownership import caller_table, direct_table
from devserver.runtime.traces import (
    Registered,
    Replaced,
    Slot,
    Trace,
    WarningsFilter,
    position,
)

Note = Callable[[ModuleTable, Trace], object]
Wrap = Callable[[Callable[..., Any], "Calls"], Callable[..., Any]]


class Calls:
    """Wraps the functions of `WRAPPED` between `install` and `uninstall`. `knows(table)` tells
    whether a table is of this host; what its code registers goes to `note`."""

    def __init__(self, *, knows: Callable[[ModuleTable], bool], note: Note) -> None:
        self._knows = knows
        self.note = note
        self.exits: list[Registered] = []
        """What plugins want to be run at the exit, in order. They share one entry at the
        interpreter: that takes away all that are equal, whoever put them there."""
        self._installed: list[tuple[Any, str, Any, Any]] = []

    def install(self) -> None:
        """Takes the places of the functions."""
        atexit.register(self._run_exits)
        for owner, name, wrap in WRAPPED:
            before = getattr(owner, name)
            wrapped = functools.wraps(before)(wrap(before, self))
            setattr(owner, name, wrapped)
            self._installed.append((owner, name, before, wrapped))

    def uninstall(self) -> None:
        """Puts back what was there, but for places that somebody else has taken since."""
        for owner, name, before, wrapped in self._installed:
            if getattr(owner, name) is wrapped:
                setattr(owner, name, before)
        self._installed.clear()
        if not self.exits:
            atexit.unregister(self._run_exits)

    def _run_exits(self) -> None:
        """The process ends with generations that were not let go."""
        while self.exits:
            self.exits.pop().entry()

    def forget_exit(self, entry: Callable[..., Any]) -> None:
        """It is not run at the exit."""
        self.exits = [t for t in self.exits if t.entry is not entry]

    def of_ours(self, table: ModuleTable | None) -> bool:
        return table is not None and self._knows(table)


def _atexit_register(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def register(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        table = direct_table(function)
        if table is None or not calls.of_ours(table) or not callable(function):
            return before(function, *args, **kwargs)
        entry = partial(function, *args, **kwargs)
        trace = Registered("atexit", function, entry, calls.forget_exit, last_call=True)
        calls.exits.append(trace)
        calls.note(table, trace)
        return function

    return register


def _atexit_unregister(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def unregister(function: Callable[..., Any], /) -> None:
        for trace in list(calls.exits):
            if trace.function == function:
                trace.gone = True
                calls.forget_exit(trace.entry)
        before(function)

    return unregister


def _codecs_register(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def register(search: Callable[[str], Any], /) -> None:
        before(search)
        table = direct_table(search)
        if table is not None and calls.of_ours(table):
            calls.note(table, Registered("codec", search, search, codecs.unregister))

    return register


def _add_handler(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def addHandler(self: logging.Logger, hdlr: logging.Handler) -> None:
        before(self, hdlr)
        table = caller_table()
        if table is not None and calls.of_ours(table):
            calls.note(table, LogHandler(self, hdlr))

    return addHandler


def _add_filter(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def addFilter(self: logging.Filterer, filter: Any) -> None:
        before(self, filter)
        table = caller_table()
        if table is not None and calls.of_ours(table):
            calls.note(table, LogFilter(self, filter))

    return addFilter


def _set_level(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def setLevel(self: logging.Logger, level: Any) -> None:
        previous = self.level
        before(self, level)
        table = caller_table()
        if table is not None and calls.of_ours(table):
            slot = Slot(f"level of logger {self.name!r}", lambda: self.level, partial(before, self))
            calls.note(table, Replaced(slot, self.level, previous))

    return setLevel


def _filterwarnings(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def filterwarnings(
        action: Any,
        message: str = "",
        category: type[Warning] = Warning,
        module: str = "",
        lineno: int = 0,
        append: bool = False,
    ) -> None:
        earlier = list(warnings.filters)
        before(action, message, category, module, lineno, append)
        text = re.compile(message, re.IGNORECASE) if message else None
        place = re.compile(module) if module else None
        _note_filter(calls, earlier, (action, text, category, place, lineno), caller_table())

    return filterwarnings


def _simplefilter(before: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def simplefilter(
        action: Any, category: type[Warning] = Warning, lineno: int = 0, append: bool = False
    ) -> None:
        earlier = list(warnings.filters)
        before(action, category, lineno, append)
        _note_filter(calls, earlier, (action, None, category, None, lineno), caller_table())

    return simplefilter


def _note_filter(
    calls: Calls, earlier: list[Any], wanted: tuple[Any, ...], table: ModuleTable | None
) -> None:
    item: Any = next((f for f in warnings.filters if f == wanted), None)
    if item is None or table is None or not calls.of_ours(table):
        return
    displaced = next((f for f in earlier if f == wanted and f is not item), None)
    at = None if displaced is None else position(earlier, displaced)
    calls.note(
        table, WarningsFilter(item, None if at is None or displaced is None else (at, displaced))
    )


WRAPPED: tuple[tuple[Any, str, Wrap], ...] = (
    (atexit, "register", _atexit_register),
    (atexit, "unregister", _atexit_unregister),
    (codecs, "register", _codecs_register),
    (logging.Logger, "addHandler", _add_handler),
    (logging.Filterer, "addFilter", _add_filter),
    (logging.Logger, "setLevel", _set_level),
    (warnings, "filterwarnings", _filterwarnings),
    (warnings, "simplefilter", _simplefilter),
)
