"""The rule by which a canary is promoted or rolled back."""

from __future__ import annotations

import pytest

from devserver.core.canary import Tally, Verdict, falls_to_new, parse_percent, verdict


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [
        ((19, 0), (100, 0), None),
        ((20, 0), (100, 0), Verdict.PROMOTE),
        ((2, 2), (100, 0), None),
        ((3, 3), (0, 0), Verdict.ABORT),
        ((30, 3), (100, 0), Verdict.ABORT),
        ((30, 3), (100, 10), Verdict.PROMOTE),
        ((25, 1), (100, 0), None),
        ((100, 1), (100, 0), Verdict.PROMOTE),
        ((60, 3), (100, 0), None),
    ],
)
def test_error_rates_are_compared(
    new: tuple[int, int], old: tuple[int, int], said: Verdict | None
) -> None:
    assert verdict(Tally(*new), Tally(*old), requests=20) is said


def test_without_a_number_of_requests_it_is_never_promoted_by_itself() -> None:
    assert verdict(Tally(10_000, 0), Tally(), requests=0) is None
    assert verdict(Tally(10, 10), Tally(), requests=0) is Verdict.ABORT


@pytest.mark.parametrize("percent", [0.5, 1, 10, 33.3, 50, 99, 100])
@pytest.mark.parametrize("count", [20, 100, 1_000, 10_000])
def test_the_share_is_kept_from_the_beginning(percent: float, count: int) -> None:
    taken = sum(falls_to_new(number, percent) for number in range(1, count + 1))
    assert abs(taken - count * percent / 100) <= 2


@pytest.mark.parametrize("percent", [10, 25, 50])
@pytest.mark.parametrize("kinds", [2, 4, 10])
def test_each_of_several_requests_that_are_made_in_turn_gets_its_share(
    percent: float, kinds: int
) -> None:
    for first in range(1, kinds + 1):
        taken = [falls_to_new(number, percent) for number in range(first, 400 * kinds, kinds)]
        assert abs(sum(taken) / len(taken) - percent / 100) < 0.02


@pytest.mark.parametrize(
    ("text", "percent"),
    [("10%", 10), ("10", 10), (" 2.5 % ", 2.5), ("100%", 100), ("0", None), ("101", None),
     ("nan", None), ("ten", None), ("", None), ("-1", None)],
)  # fmt: skip
def test_percent_is_read_as_people_write_it(text: str, percent: float | None) -> None:
    assert parse_percent(text) == percent
