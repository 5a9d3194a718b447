"""When a canary is good enough to be promoted, and when bad enough to be rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ENOUGH_ERRORS = 3
"""Requests that the new version must have failed before it is rolled back for them."""
TOO_MANY = 0.05
"""How much higher its share of failed requests must be than the old version's, of 1."""
GOOD_ENOUGH = 0.01
"""How much higher it may be for a promotion."""
DEFAULT_REQUESTS = 20
_GOLDEN = (5**0.5 - 1) / 2
"""Steps of this length spread over a circle most evenly, and in step with nothing."""


class Verdict(StrEnum):
    """What becomes of a canary."""

    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(slots=True)
class Tally:
    """Requests that one version was asked, and how many it failed."""

    requests: int = 0
    errors: int = 0

    @property
    def rate(self) -> float:
        """Failed requests, as a share of 1."""
        return self.errors / self.requests if self.requests else 0.0

    def to_json(self) -> dict[str, float]:
        return {"requests": self.requests, "errors": self.errors, "rate": round(self.rate, 4)}


def verdict(new: Tally, old: Tally, *, requests: int) -> Verdict | None:
    """What the error rates say; None while they say nothing. The new version is not promoted
    before it has answered `requests` (0: never by itself)."""
    if new.errors >= ENOUGH_ERRORS and new.rate > old.rate + TOO_MANY:
        return Verdict.ABORT
    if requests and new.requests >= requests and new.rate <= old.rate + GOOD_ENOUGH:
        return Verdict.PROMOTE
    return None


def falls_to_new(number: int, percent: float) -> bool:
    """Whether the request of that number (from 1) is one of the new version's share: `percent`
    of any row of them are, to within one or two, and as many of every second, third, tenth...
    one: a page that always asks for the same things in turn has all of them tried."""
    return number * _GOLDEN % 1 < percent / 100


def parse_percent(text: str) -> float | None:
    """`10%` or `10` as a number above 0 and up to 100; None for anything else."""
    digits = text.strip().removesuffix("%").strip()
    try:
        percent = float(digits)
    except ValueError:
        return None
    return percent if 0 < percent <= 100 else None
