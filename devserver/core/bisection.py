"""Finds the first bad one in a row that begins good."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Verdict(StrEnum):
    """What a check says of one version."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


class Bisection:
    """`numbers` in order, of which the first is good and the last is bad."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._between = list(numbers[1:-1])
        self._skipped: set[int] = set()
        self.last_good = numbers[0]
        self.first_bad = numbers[-1]

    def next(self) -> int | None:
        """The one to check; None when no more can be found out."""
        open_ones = [n for n in self._between if n not in self._skipped]
        if not open_ones:
            return None
        middle = self._between[len(self._between) // 2]
        return min(open_ones, key=lambda n: (abs(n - middle), n))

    def tell(self, number: int, verdict: Verdict) -> None:
        """What came of checking `number`."""
        if verdict is Verdict.SKIPPED:
            self._skipped.add(number)
        elif verdict is Verdict.GOOD:
            self.last_good = number
            self._between = [n for n in self._between if n > number]
        else:
            self.first_bad = number
            self._between = [n for n in self._between if n < number]

    @property
    def suspects(self) -> tuple[int, ...]:
        """One of them is the first bad one; just that one when all could be checked."""
        return (*self._between, self.first_bad)
