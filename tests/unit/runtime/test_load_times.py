"""How long the parts of a load took."""

from __future__ import annotations

from contextlib import suppress

import pytest

from devserver.runtime import load_times
from devserver.runtime.load_times import LoadTimes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that it is; a test sets the first one."""
    now = [0.0]
    monkeypatch.setattr(load_times.time, "perf_counter", lambda: now[0])
    return now


def test_a_part_has_its_own_time_and_that_of_all_inside(clock: list[float]) -> None:
    times = LoadTimes()
    with times.measure("module", "outer"):
        clock[0] += 1
        with times.measure("module", "inner"):
            clock[0] += 2
            with times.measure("module", "innermost"):
                clock[0] += 4
        with times.measure("module", "second"):
            clock[0] += 8
    found = {part.name: (part.ms, part.own_ms) for part in times.parts()}
    assert found == {
        "innermost": (4000, 4000), "inner": (6000, 2000), "second": (8000, 8000),
        "outer": (15000, 1000),
    }  # fmt: skip
    assert [part.name for part in times.parts()] == ["innermost", "inner", "second", "outer"]


def test_what_raises_is_measured_too_and_leaves_nothing_open(clock: list[float]) -> None:
    times = LoadTimes()
    with times.measure("hook", "outer"):
        with suppress(ValueError), times.measure("hook", "inner"):
            clock[0] += 1
            raise ValueError
        clock[0] += 1
    assert [(p.name, p.own_ms) for p in times.parts()] == [("inner", 1000), ("outer", 1000)]
