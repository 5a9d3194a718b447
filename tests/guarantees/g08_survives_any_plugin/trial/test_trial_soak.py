"""Thousands of trials: the server does not grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    children_of,
    new_trial,
    source_of,
    wait_for,
)


def resident_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_2000_trials_leave_the_server_as_it_was(tmp_path: Path) -> None:
    """Every edit is another content; every tenth crashes, every tenth raises."""
    trial = new_trial(tmp_path)
    bodies = {3: "import os\nos._exit(1)\n", 7: "raise ValueError\n"}

    def examine(number: int) -> None:
        bad = bodies.get(number % 10, "")
        text = f"{bad}{GOOD}\nN = {number}\n" + f"# {number}\n" * 100
        found = trial.examine([source_of(tmp_path, "many", text)], [], timeout=10)
        assert len(found) == bool(bad)

    def level(server: int) -> tuple[int, int, int]:
        wait_for(lambda: len(children_of(server)) == 1, "the one child that waits")
        ours = len(os.listdir("/proc/self/fd"))
        return resident_kib(server), len(os.listdir(f"/proc/{server}/fd")), ours

    try:
        for number in range(500):
            examine(number)
        server = trial.server_pid
        assert server is not None
        before = level(server)
        for number in range(500, 2500):
            examine(number)
        after = level(server)
        assert trial.server_pid == server
    finally:
        trial.close()
    assert after[1:] == before[1:]
    assert after[0] - before[0] < 1024, f"{after[0] - before[0]} KiB more after 2,000 trials"
