"""How long the parts of a plugin's load took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_MOST = 500
"""Parts that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTime:
    """`kind` is module or hook. `ms` is all of it, `own_ms` without the parts inside, such as
    modules of the same plugin that a module imports."""

    kind: str
    name: str
    ms: float
    own_ms: float

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "ms": round(self.ms, 3),
            "own_ms": round(self.own_ms, 3),
        }


class LoadTimes:
    """What was measured, in the order in which it ended. Parts are inside each other or come one
    after the other, be it on several threads."""

    def __init__(self) -> None:
        self._parts: list[LoadTime] = []
        self._inside: list[float] = []

    def parts(self) -> tuple[LoadTime, ...]:
        """All that has ended."""
        return tuple(self._parts)

    @contextmanager
    def measure(self, kind: str, name: str) -> Iterator[None]:
        """Measures the block, also one that raises."""
        depth = len(self._inside)
        self._inside.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            ms = (time.perf_counter() - began) * 1000
            inside = sum(self._inside[depth:])
            del self._inside[depth:]
            if self._inside:
                self._inside[-1] += ms
            if len(self._parts) < _MOST:
                own = max(0.0, ms - inside)
                self._parts.append(LoadTime(kind=kind, name=name, ms=ms, own_ms=own))
