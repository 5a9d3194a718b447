"""How long requests take, in buckets."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets in seconds; the last bucket has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyFigures:
    """`counts` is how many fell into each bucket, not cumulated, one more than there are bounds;
    `seconds` their sum."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0


class Latency:
    """Counts requests by how long they took."""

    __slots__ = ("_counts", "_lock", "_seconds")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        with self._lock:
            self._counts[bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def figures(self) -> LatencyFigures:
        with self._lock:
            return LatencyFigures(counts=tuple(self._counts), seconds=self._seconds)
