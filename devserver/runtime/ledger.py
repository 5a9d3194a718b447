"""The ledger: how to undo every registration of one generation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Undo = tuple[str, Callable[..., Any], tuple[Any, ...]]


class Ledger:
    """Records undos; `take` gives them last first, once. Thread-safe."""

    def __init__(self) -> None:
        self._entries: list[Undo] = []
        self._lock = threading.Lock()

    def record(self, label: str, undo: Callable[..., Any], *arguments: Any) -> None:
        """`undo(*arguments)` belongs to what has just been registered; it may be async."""
        with self._lock:
            self._entries.append((label, undo, arguments))

    def take(self) -> list[Undo]:
        """All undos, the last registration first; the ledger is empty afterwards."""
        with self._lock:
            entries, self._entries = self._entries, []
        return entries[::-1]

    def entries(self) -> tuple[Undo, ...]:
        """What is recorded, in order."""
        return tuple(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
