"""Plugins whose saves are reloaded because somebody asked for it, for as long as they stay."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Followers:
    """Callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[str] = Counter()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._count[key] > 0

    def add(self, key: str) -> None:
        """Saves of that plugin are reloaded from now on, though `reload.automatic` is false."""
        with self._lock:
            self._count[key] += 1

    @contextmanager
    def reloading(self, key: str) -> Iterator[None]:
        """The same for a time."""
        self.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._count[key] -= 1
