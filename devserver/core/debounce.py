"""When changes have come to rest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from devserver.core.changes import ChangeBatch

SEVERAL = 10
"""A batch of several paths waits this many times as long as one of a single path."""
LONGEST_WAIT = 2.0
_BURST = 0.1


class Debouncer:
    """Gathers paths until they are quiet. All times are monotonic seconds.

    One path is ready when nothing has come for `quiet`, of which `waited` (unless given: all)
    had already passed when the source of events reported it. Several paths are ready after
    `SEVERAL * quiet`. What comes that soon after a batch was taken (within a tenth of a second,
    where `quiet` is long) is one of a burst, and has to be quiet for as long. Steady changes are
    cut off `LONGEST_WAIT` seconds (or, for a long `quiet`, twice the wait for several) after the
    first, so that they cannot put a batch off for ever.
    """

    def __init__(self, quiet: float, *, waited: float | None = None) -> None:
        self._single_wait = 0.0 if waited is None else max(0.0, quiet - waited)
        self._several_wait = SEVERAL * quiet
        self._burst_wait = max(quiet, min(self._several_wait, _BURST))
        self._longest_wait = max(LONGEST_WAIT, 2 * self._several_wait)
        self._paths: set[Path] = set()
        self._burst = False
        self._postponed = False
        self._first = 0.0
        self._cut_from = 0.0
        self._last = 0.0
        self._taken: float | None = None

    @property
    def pending(self) -> frozenset[Path]:
        """The paths that wait."""
        return frozenset(self._paths)

    @property
    def deadline(self) -> float | None:
        """When `take` will give a batch if nothing more comes, None while there is nothing."""
        if not self._paths:
            return None
        return min(self._last + self._wait(), self._cut_from + self._longest_wait)

    def _wait(self) -> float:
        if len(self._paths) > 1 or self._postponed:
            return self._several_wait
        return self._burst_wait if self._burst else self._single_wait

    def add(self, paths: Iterable[Path], now: float) -> None:
        """Notes that `paths` changed."""
        new = frozenset(paths)
        if not new:
            return
        if not self._paths:
            self._first = self._cut_from = now
            self._burst = self._taken is not None and now - self._taken < self._burst_wait
        self._paths |= new
        self._last = now

    def postpone(self, now: float) -> None:
        """Starts the wait anew, as long as that for several paths, for a caller who knows that
        more is on its way."""
        self._postponed = True
        self._last = self._cut_from = now

    def take(self, now: float) -> ChangeBatch | None:
        """Everything that waits, when its deadline has come."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return None
        batch = ChangeBatch(paths=frozenset(self._paths), first_seen=self._first)
        self._paths.clear()
        self._postponed = False
        self._taken = now
        return batch
