"""When changes count as come to rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devserver.core.debounce import LONGEST_WAIT, SEVERAL, Debouncer

QUIET = 0.005
A, B = Path("a"), Path("b")


def test_nothing_waits_at_first() -> None:
    debouncer = Debouncer(QUIET)
    assert debouncer.deadline is None
    assert debouncer.take(100.0) is None


def test_adding_nothing_changes_nothing() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([], 1.0)
    assert debouncer.deadline is None


def test_single_path_is_ready_at_once() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([A], 1.0)
    batch = debouncer.take(1.0)
    assert batch is not None
    assert batch.paths == {A}
    assert batch.first_seen == 1.0
    assert debouncer.take(2.0) is None


def test_single_path_waits_for_what_is_left_of_its_quiet_time() -> None:
    debouncer = Debouncer(0.2, waited=0.05)
    debouncer.add([A], 1.0)
    assert debouncer.deadline == pytest.approx(1.15)


def test_several_paths_wait_ten_times_the_quiet_time_after_the_last() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([A, B], 1.0)
    assert debouncer.take(1.0 + SEVERAL * QUIET - 0.001) is None
    debouncer.add([A], 1.04)
    assert debouncer.deadline == pytest.approx(1.04 + SEVERAL * QUIET)
    batch = debouncer.take(1.09)
    assert batch is not None
    assert batch.paths == {A, B}
    assert batch.first_seen == 1.0


def test_path_that_changes_again_at_once_waits_until_the_burst_is_over() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([A], 1.0)
    assert debouncer.take(1.0)
    debouncer.add([A], 1.01)
    assert debouncer.take(1.02) is None
    debouncer.add([A], 1.03)
    assert debouncer.deadline == pytest.approx(1.03 + SEVERAL * QUIET)


def test_first_path_of_many_is_followed_by_all_the_others_together() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([A], 1.0)
    assert debouncer.take(1.0)
    debouncer.add([B], 1.01)
    assert debouncer.take(1.01) is None
    debouncer.add([Path("c")], 1.02)
    batch = debouncer.take(1.08)
    assert batch is not None
    assert batch.paths == {B, Path("c")}


def test_path_that_changes_again_later_is_ready_at_once() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([A], 1.0)
    assert debouncer.take(1.0)
    debouncer.add([A], 1.0 + SEVERAL * QUIET)
    assert debouncer.take(1.0 + SEVERAL * QUIET)


def test_burst_of_one_path_with_a_long_quiet_time_waits_for_that_alone() -> None:
    debouncer = Debouncer(0.5, waited=0.05)
    debouncer.add([A], 1.0)
    assert debouncer.take(1.45)
    debouncer.add([A], 1.5)
    assert debouncer.deadline == pytest.approx(2.0)


def test_150_saves_in_300_ms_give_few_batches_and_the_last_save_is_in_the_last() -> None:
    debouncer = Debouncer(QUIET)
    taken = []
    for save in range(150):
        now = 1.0 + save * 0.002
        debouncer.add([A], now)
        taken.append(debouncer.take(now))
    taken.append(debouncer.take(1.0 + 0.3 + SEVERAL * QUIET))
    assert taken[-1] is not None
    assert sum(batch is not None for batch in taken) == 2


def test_steady_changes_are_cut_off_after_two_seconds() -> None:
    debouncer = Debouncer(QUIET)
    now = 1.0
    while debouncer.take(now) is None:
        debouncer.add([A, B], now)
        now += 0.01
    assert now == pytest.approx(1.0 + LONGEST_WAIT, abs=0.02)


def test_cut_never_comes_before_a_long_quiet_time_is_over() -> None:
    debouncer = Debouncer(1.0)
    debouncer.add([A, B], 1.0)
    assert debouncer.deadline == pytest.approx(11.0)


def test_postponed_batch_waits_anew_and_is_not_cut_off() -> None:
    debouncer = Debouncer(QUIET)
    debouncer.add([A, B], 1.0)
    debouncer.postpone(5.0)
    assert debouncer.take(5.01) is None
    batch = debouncer.take(5.0 + SEVERAL * QUIET)
    assert batch is not None
    assert batch.first_seen == 1.0


def test_postponed_batch_of_one_path_waits_as_long_as_several() -> None:
    debouncer = Debouncer(QUIET, waited=QUIET)
    debouncer.add([A], 1.0)
    debouncer.postpone(1.0)
    assert debouncer.deadline == 1.0 + SEVERAL * QUIET
    assert debouncer.take(1.0 + SEVERAL * QUIET) is not None
    debouncer.add([A], 5.0)
    assert debouncer.deadline == 5.0


_events = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=0.3),
        st.sets(st.sampled_from([Path(n) for n in "abcd"]), max_size=3),
        st.booleans(),
    ),
    max_size=40,
)


@given(_events, st.floats(min_value=0.001, max_value=0.5), st.floats(min_value=0, max_value=0.5))
def test_no_path_is_ever_lost(
    events: list[tuple[float, set[Path], bool]], quiet: float, waited: float
) -> None:
    debouncer = Debouncer(quiet, waited=waited)
    now, last_added, taken = 0.0, {}, []
    for pause, paths, look in events:
        now += pause
        debouncer.add(paths, now)
        last_added |= dict.fromkeys(paths, now)
        deadline = debouncer.deadline
        batch = debouncer.take(now) if look else None
        if look:
            assert (batch is not None) == (deadline is not None and now >= deadline)
        if batch is not None:
            assert debouncer.deadline is None
            taken.append((now, batch))
    deadline = debouncer.deadline
    if deadline is not None:
        assert deadline <= now + max(LONGEST_WAIT, 2 * SEVERAL * quiet)
        rest = debouncer.take(max(now, deadline))
        assert rest is not None
        taken.append((max(now, deadline), rest))
    for path, added in last_added.items():
        assert any(path in batch.paths and added <= at for at, batch in taken)
    assert {p for _, batch in taken for p in batch.paths} == set(last_added)
