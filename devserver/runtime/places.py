"""The places of the interpreter that are compared before and after plugin code has run."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from operator import is_not
from typing import Any

from devserver.runtime.modules import ROOT
from devserver.runtime.ownership import module_of
from devserver.runtime.traces import MISSING, Inserted, Listing, Removed, Replaced, Slot

LISTINGS = (
    Listing("sys.path", lambda: sys.path, veiled=True),
    Listing("sys.meta_path", lambda: sys.meta_path),
    Listing("sys.path_hooks", lambda: sys.path_hooks),
    Listing("gc.callbacks", lambda: gc.callbacks),
)


def _attribute(owner: Any, name: str) -> Slot:
    return Slot(
        f"{owner.__name__}.{name}",
        lambda: getattr(owner, name),
        partial(setattr, owner, name),
        veiled=True,
    )


SLOTS = (
    _attribute(sys, "excepthook"),
    _attribute(sys, "unraisablehook"),
    _attribute(sys, "displayhook"),
    _attribute(sys, "breakpointhook"),
    _attribute(sys, "stdout"),
    _attribute(sys, "stderr"),
    _attribute(threading, "excepthook"),
    Slot("threading.settrace", threading.gettrace, threading.settrace),
    Slot("threading.setprofile", threading.getprofile, threading.setprofile),
    Slot("logging.setLoggerClass", logging.getLoggerClass, logging.setLoggerClass, veiled=True),
    Slot(
        "logging.setLogRecordFactory",
        logging.getLogRecordFactory,
        logging.setLogRecordFactory,
        veiled=True,
    ),
    Slot("logging.disable", lambda: logging.root.manager.disable, logging.disable),
    Slot("socket.setdefaulttimeout", socket.getdefaulttimeout, socket.setdefaulttimeout),
)


def variable(name: str) -> Slot:
    """An environment variable. The environment is the process's: what a generation sets is put
    back when it is rolled back or its plugin goes, and passes on to its successor else."""

    def put(value: Any) -> None:
        if value is MISSING:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    return Slot(f"os.environ[{name!r}]", lambda: os.environ.get(name, MISSING), put, inherited=True)


@dataclass(frozen=True, slots=True)
class Look:
    """All places at one moment."""

    lists: tuple[tuple[Any, ...], ...]
    slots: tuple[Any, ...]
    environment: dict[bytes | str, bytes | str]
    modules: int

    @classmethod
    def now(cls) -> Look:
        return cls(
            tuple(tuple(listing.get()) for listing in LISTINGS),
            tuple(slot.get() for slot in SLOTS),
            _environment(),
            len(sys.modules),
        )

    def _is_like(self, after: Look) -> bool:
        return (
            all(map(_are_same, self.lists, after.lists))
            and _are_same(self.slots, after.slots)
            and self.environment == after.environment
        )

    def until(self, after: Look) -> Iterator[Inserted | Removed | Replaced]:
        """What has changed; without what libraries did that were imported meanwhile: they stay,
        and so does theirs."""
        if self._is_like(after):
            return
        imported = _libraries(list(sys.modules)[self.modules :])
        for listing, old, new in zip(LISTINGS, self.lists, after.lists, strict=True):
            if not _are_same(old, new):
                yield from (
                    c for c in _edits(listing, old, new) if module_of(c.item) not in imported
                )
        for slot, was, value in zip(SLOTS, self.slots, after.slots, strict=True):
            if value is not was and module_of(value) not in imported:
                yield Replaced(slot, value, was)
        if self.environment != after.environment:
            for name in sorted({*self.environment, *after.environment}):
                was = self.environment.get(name, MISSING)
                value = after.environment.get(name, MISSING)
                if was != value:
                    yield Replaced(variable(os.fsdecode(name)), _text(value), _text(was))


def _are_same(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    """True for the same objects; an equal string in the place of another one is a change."""
    return len(old) == len(new) and not any(map(is_not, old, new))


def _environment() -> dict[bytes | str, bytes | str]:
    """All variables; as the process has them, which takes no decoding."""
    held: Any = getattr(os.environ, "_data", os.environ)
    return dict(held)


def _text(value: Any) -> Any:
    return value if value is MISSING else os.fsdecode(value)


def _libraries(modules: list[str]) -> frozenset[str]:
    return frozenset(name for name in modules if not name.startswith(ROOT + "."))


def _edits(
    listing: Listing, old: tuple[Any, ...], new: tuple[Any, ...]
) -> Iterator[Inserted | Removed]:
    """What came and went; what only has another place is neither."""
    before, after = {*map(id, old)}, {*map(id, new)}
    for index, item in enumerate(old):
        if id(item) not in after:
            yield Removed(listing, item, index)
    for item in new:
        if id(item) not in before:
            yield Inserted(listing, item)
