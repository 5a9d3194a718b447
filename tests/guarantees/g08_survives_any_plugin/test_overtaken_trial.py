"""A save that fixes an import which hangs does not wait for that to be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from devserver.core.outcome import Outcome
from devserver.reload import trial_forkserver
from devserver.reload.overtaking import Superseded
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    is_gone,
    new_trial,
    numbers_in,
    source_of,
)
from tests.integration.lab import Lab, plugin, wait_for

HANG = """
import os, signal
with open({path!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
signal.pause()
"""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def hanging(lab: Lab) -> str:
    """A module that hangs, in a host whose time limit no test waits for."""
    lab.settings("reload:\n  timeout: 50\n")
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", 1))
    lab.start()
    return plugin("users", 2, top=HANG.format(path=str(lab.root / "pids")))


def hang(lab: Lab, pool: ThreadPoolExecutor, text: str) -> tuple[Future[Any], int]:
    """The outcome that is to come, and the process of the trial."""
    before = len(numbers_in(lab.root / "pids"))
    lab.write("users", text)
    outcome = pool.submit(lab.running.changed, lab.path("users"))
    wait_for(lambda: len(numbers_in(lab.root / "pids")) > before, "the hang")
    return outcome, numbers_in(lab.root / "pids")[-1]


def kinds(lab: Lab) -> list[str]:
    return [e.kind for e in lab.running.journal.events_after(0, 0) if e.kind == "outcome"]


def test_the_fix_goes_live_at_once_and_nothing_failed(
    lab: Lab, hanging: str, pool: ThreadPoolExecutor
) -> None:
    first, pid = hang(lab, pool, hanging)
    begun = time.monotonic()
    outcome = lab.save(("users", plugin("users", 3)))
    assert time.monotonic() - begun < 5
    assert outcome is not None
    assert outcome.success
    assert lab.json("/users/version")["version"] == 3
    # The first save got the answer of the second: it has no outcome of its own.
    assert first.result(5) is outcome
    assert len(kinds(lab)) == 1
    assert [o.success for o in lab.running.journal.outcomes()] == [True]
    wait_for(lambda: is_gone(pid), "the end of the trial's process")


def test_a_second_hang_is_overtaken_too_and_a_hang_alone_is_refused(
    lab: Lab, hanging: str, pool: ThreadPoolExecutor
) -> None:
    first, _ = hang(lab, pool, hanging)
    second, pid = hang(lab, pool, hanging + "\n# again")
    third = lab.save(("users", "broken("))
    assert third is not None
    assert not third.success
    assert third.diagnostics[0].code == "SYN010"
    assert first.result(5) is second.result(5) is third
    assert lab.json("/users/version")["version"] == 1
    wait_for(lambda: is_gone(pid), "the end of the trial's process")


@pytest.mark.parametrize("way", ["back", "delete"])
def test_going_back_or_deleting_ends_the_hang_too(
    lab: Lab, hanging: str, pool: ThreadPoolExecutor, way: str
) -> None:
    first, pid = hang(lab, pool, hanging)
    outcome = lab.save(("users", plugin("users", 1) if way == "back" else None))
    wait_for(lambda: is_gone(pid), "the end of the trial's process")
    assert first.result(5) is outcome
    if way == "back":
        assert lab.json("/users/version")["version"] == 1
        assert outcome is None
    else:
        assert lab.get("/users/version").status_code == 404


def test_a_reload_that_was_asked_for_goes_on_with_the_newer_content(
    lab: Lab, hanging: str, pool: ThreadPoolExecutor
) -> None:
    lab.write("users", hanging)
    asked = pool.submit(lab.running.control.reload, "users")
    wait_for(lambda: numbers_in(lab.root / "pids"), "the hang")
    lab.save(("users", plugin("users", 3)))
    outcome: Outcome = asked.result(10)
    assert outcome.success
    assert lab.json("/users/version")["version"] == 3


def test_the_start_goes_on_with_the_newer_content(lab: Lab, pool: ThreadPoolExecutor) -> None:
    lab.settings("reload:\n  timeout: 50\n")
    path = lab.root / "pids"
    lab.write("users", plugin("users", 1, top=HANG.format(path=str(path))))
    lab.write("orders", plugin("orders", 1))
    starting = pool.submit(lab.start, hot_reload=True)
    wait_for(lambda: numbers_in(path), "the hang")
    lab.write("users", plugin("users", 2))
    starting.result(20)
    assert lab.json("/users/version")["version"] == 2
    assert lab.json("/orders/version")["version"] == 1


def test_the_same_content_ends_no_trial(lab: Lab, pool: ThreadPoolExecutor) -> None:
    lab.settings("reload:\n  timeout: 1.2\nsafety:\n  max_reload_attempts: 1\n")
    lab.write("users", plugin("users", 1))
    lab.start()
    text = plugin("users", 2, top=HANG.format(path=str(lab.root / "pids")))
    first, _ = hang(lab, pool, text)
    same = pool.submit(lab.save, ("users", text))
    assert [d.code for d in first.result(20).diagnostics] == ["RUN013"]
    assert same.result(20) is None
    assert len(numbers_in(lab.root / "pids")) == 1


@pytest.mark.parametrize("way", ["fork server", "spawned worker"])
def test_both_ways_to_run_a_trial_can_be_overtaken(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "spawned worker":
        monkeypatch.setattr(trial_forkserver, "CAN_FORK", False)
    trial = new_trial(tmp_path)
    pids = tmp_path / "pids"
    stuck = source_of(tmp_path, "stuck", HANG.format(path=str(pids)) + GOOD)
    try:
        for number in range(3):
            newer = threading.Event()
            found = pool.submit(trial.examine, [stuck], [], timeout=50, is_overtaken=newer.is_set)
            wait_for(lambda number=number: len(numbers_in(pids)) > number, "the hang")
            newer.set()
            with pytest.raises(Superseded):
                found.result(10)
            assert trial.examine([source_of(tmp_path, "stuck", GOOD)], [], timeout=10) == ()
        for pid in numbers_in(pids):
            wait_for(lambda pid=pid: is_gone(pid), "the end of the trial's process")
    finally:
        trial.close()
