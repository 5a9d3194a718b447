"""Notices that modules were installed which refused plugins have missed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from devserver.core.settings import Settings
from devserver.reload.catalog import Reading
from devserver.reload.pending import Pending

_LOOK = 1.0
"""Seconds between two looks; what is being installed is complete when two of them are alike."""

_Stamp = tuple[tuple[str, int], ...]


class MissingModules:
    """Compares the folders of `sys.path` with how they were, while something waits for a module.
    `settings()` gives those in force; `on_missing` gets, again and again, what waits."""

    def __init__(
        self,
        pending: Pending,
        settings: Callable[[], Settings],
        on_missing: Callable[[Sequence[Reading]], None],
    ) -> None:
        self._pending = pending
        self._settings = settings
        self._on_missing = on_missing
        self._before: _Stamp = ()
        self._known: _Stamp | None = None
        self._last: _Stamp | None = None
        self._due = 0.0

    def remember(self) -> None:
        """Something is about to be tried: what is installed from now on may be new to it."""
        self._before = _stamp()

    def next_time(self) -> float | None:
        """The monotonic second of the next look; None when nothing waits for a module."""
        if not self._waiting():
            self._known = None
            return None
        if self._known is None:
            self._known = self._before
        return self._due

    def look(self) -> None:
        """What waits is due now if there may be more modules than before."""
        waiting = self._waiting()
        if not waiting or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _LOOK
        refused = map(self._pending.find, waiting)
        self._on_missing([r.reading for r in refused if r is not None])
        before, now = self._last, _stamp()
        self._last = now
        if now != self._known and now == before:
            self._known = now
            for key in waiting:
                self._pending.try_anew(key)

    def _waiting(self) -> list[str]:
        development = self._settings().development_in_force
        if not (development.reload_on_import_error or development.auto_install_deps):
            return []
        return self._pending.missing_modules()


def _stamp() -> _Stamp:
    found = []
    for folder in sys.path:
        try:
            found.append((folder, os.stat(folder or ".").st_mtime_ns))
        except OSError:
            found.append((folder, 0))
    return tuple(found)
