"""Whether what a trial examines has been saved anew meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from devserver.core.source import PluginSource

_PATIENCE = 0.5
"""Seconds that a trial gets in any case: saves without an end do not keep all of them from
ending, and one that passes has passed long before."""


class Overtaking:
    """Compares what is saved with what is examined, by content. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: tuple[PluginSource, ...] = ()
        self._saved: set[Path] = set()
        self._begun = 0.0
        self._is_overtaken = False

    def begin(self, entries: Sequence[PluginSource]) -> None:
        """These are examined from now on. Saves since the last examination count as well: they
        may have come after the entries were read."""
        with self._lock:
            saved, self._saved = self._saved, set()
            self._entries = entries = tuple(entries)
            self._begun = time.monotonic()
            self._is_overtaken = False
        self._compare(saved, entries)

    def end(self) -> None:
        """Nothing is examined any more."""
        with self._lock:
            self._entries = ()

    def saved(self, paths: Iterable[Path], *, everything: bool) -> None:
        """Files that have changed on disk; with `everything` any may have."""
        found = set(paths)
        with self._lock:
            entries = self._entries
            if everything:
                found |= {f.path for source in entries for f in source.files.values()}
            if not entries:
                self._saved |= found
        self._compare(found, entries)

    def is_due(self) -> bool:
        """True when there is newer content and the trial had its chance to end."""
        return self._is_overtaken and time.monotonic() - self._begun > _PATIENCE

    def _compare(self, paths: Iterable[Path], entries: tuple[PluginSource, ...]) -> None:
        if any(_differs(path, source) for path in paths for source in entries):
            with self._lock:
                self._is_overtaken = self._entries is entries


def _differs(path: Path, source: PluginSource) -> bool:
    """True when the file is part of the plugin and not as it is there."""
    known = next((f for f in source.files.values() if f.path == path), None)
    if known is None:
        inside = not source.single_file and path.is_relative_to(source.root)
        return inside and path.suffix == ".py" and path.is_file()
    try:
        return path.read_bytes() != known.content
    except OSError:
        return True
