"""What stays of a trial: nothing."""

from __future__ import annotations

import os
from pathlib import Path

from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    children_of,
    is_gone,
    source_of,
    wait_for,
)

SLEEPER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]{options})
open({path!r}, "w").write(str(child.pid))
"""


def test_processes_that_plugin_code_started_are_ended(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    body = SLEEPER.format(options="", path=str(path)) + GOOD
    assert trial.examine([source_of(tmp_path, "starter", body)], [], timeout=10) == ()
    pid = int(path.read_text())
    wait_for(lambda: is_gone(pid), "the end of what the plugin started")


def test_also_those_that_left_its_process_group(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    body = SLEEPER.format(options=", start_new_session=True", path=str(path)) + GOOD
    assert warm_trial.examine([source_of(tmp_path, "starter", body)], [], timeout=10) == ()
    assert is_gone(int(path.read_text()))


def test_fifty_trials_leave_neither_processes_nor_descriptors(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    def try_out(number: int) -> None:
        body = GOOD if number % 5 else "import os\nos._exit(1)"
        found = warm_trial.examine(
            [source_of(tmp_path, "many", f"{body}\nN = {number}")], [], timeout=10
        )
        assert len(found) == (number % 5 == 0)

    def state() -> tuple[int, int, int]:
        wait_for(lambda: len(children_of(server)) == 1, "the one child that waits")
        mine, its = (len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), server))
        return mine, its, len(children_of(os.getpid()))

    try_out(1)
    server = warm_trial.server_pid
    assert server is not None
    before = state()
    for number in range(50):
        try_out(number)
    assert state() == before
    assert warm_trial.server_pid == server


def test_the_server_has_one_thread_and_no_plugin(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    body = f"""
import os, sys
parent = os.getppid()
assert len(os.listdir(f"/proc/{{parent}}/task")) == 1
assert parent != {os.getpid()}
assert [n for n in sys.modules if n.startswith("plugins.")] == ["plugins.look", __name__]
"""
    for _ in range(2):
        source = source_of(tmp_path, "look", body + GOOD)
        assert warm_trial.examine([source], [], timeout=10) == ()
    # It imports what most plugins need while nobody asks.
    body += 'assert "flask" in sys.modules and "pydantic" in sys.modules\n'
    ready = source_of(tmp_path, "look", body + GOOD)
    wait_for(lambda: warm_trial.examine([ready], [], timeout=10) == (), "the modules are there")
