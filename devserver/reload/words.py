"""The operator's words that the database has not taken yet."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from devserver.core.lifecycle import DesiredState
from devserver.store.records import Records


class Words:
    """Plugin's name → word. Thread-safe: whoever writes, and in whatever order the database lets
    them, what was said last is what it has in the end."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._unsaved: dict[str, DesiredState] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._unsaved)

    def put(self, words: Mapping[str, DesiredState]) -> None:
        """They wait to be written, in place of what was said of these plugins before."""
        with self._lock:
            self._unsaved.update(words)

    def write(self) -> tuple[str, ...]:
        """Writes what waits; gives the names. Raises DatabaseUnavailable: all of it waits on."""
        if not self:
            return ()
        # Asked for inside of the transaction: what was said until then goes along.
        written = self._records.put_words(self._waiting)
        with self._lock:
            for name, word in written.items():
                if self._unsaved.get(name) is word:
                    del self._unsaved[name]
        return tuple(sorted(written))

    def _waiting(self) -> dict[str, DesiredState]:
        with self._lock:
            return dict(self._unsaved)
