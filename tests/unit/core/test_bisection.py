from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devserver.core.bisection import Bisection, Verdict


@given(
    st.lists(st.integers(1, 1000), min_size=2, max_size=40, unique=True).map(sorted),
    st.data(),
)
def test_the_first_bad_one_is_among_the_suspects_after_few_checks(
    numbers: list[int], data: st.DataObject
) -> None:
    first_bad = data.draw(st.sampled_from(numbers[1:]))
    skipped = set(data.draw(st.lists(st.sampled_from(numbers))))
    search = Bisection(numbers)
    asked: list[int] = []
    while (number := search.next()) is not None:
        assert number not in asked
        asked.append(number)
        judged = Verdict.BAD if number >= first_bad else Verdict.GOOD
        search.tell(number, Verdict.SKIPPED if number in skipped else judged)
    assert first_bad in search.suspects
    assert search.last_good < search.suspects[0]
    assert set(search.suspects[:-1]) <= skipped
    if not skipped:
        assert search.suspects == (first_bad,)
        assert len(asked) <= len(numbers).bit_length()


def test_two_are_known_already() -> None:
    search = Bisection([3, 9])
    assert search.next() is None
    assert (search.last_good, search.suspects) == (3, (9,))
