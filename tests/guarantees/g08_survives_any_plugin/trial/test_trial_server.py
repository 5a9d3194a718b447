"""The server's own life, and what happens without it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    children_of,
    is_gone,
    new_trial,
    numbers_in,
    only,
    source_of,
    wait_for,
)


def test_a_killed_server_is_replaced(own_trial: ForkServerTrial, tmp_path: Path) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    first = own_trial.server_pid
    assert first is not None
    waiting = wait_for(lambda: children_of(first), "the child that waits")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: own_trial.server_pid not in (None, first), "another server, at once")
    assert own_trial.examine([good], [], timeout=10) == ()
    wait_for(lambda: all(is_gone(pid) for pid in (first, *waiting)), "the end of the first")


def test_a_server_killed_during_a_trial_is_replaced_and_the_trial_run_again(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "runs"
    body = f"""
import os, signal
with open({str(path)!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
if len(open({str(path)!r}).readlines()) == 1:
    signal.pause()
"""
    found: list[Any] = []
    source = source_of(tmp_path, "twice", body + GOOD)
    runner = threading.Thread(
        target=lambda: found.append(own_trial.examine([source], [], timeout=20))
    )
    runner.start()
    wait_for(lambda: numbers_in(path), "the first run")
    assert own_trial.server_pid is not None
    os.kill(own_trial.server_pid, signal.SIGKILL)
    runner.join(20)
    assert found == [()]
    first, second = numbers_in(path)
    wait_for(lambda: is_gone(first) and is_gone(second), "the end of both children")


def test_a_waiting_child_that_is_killed_is_not_the_plugins_fault(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    server = own_trial.server_pid
    assert server is not None
    for _ in range(20):
        (waiting,) = wait_for(lambda: children_of(server), "the child that waits")
        os.kill(waiting, signal.SIGKILL)
        assert own_trial.examine([good], [], timeout=10) == ()
    assert own_trial.server_pid == server


def test_a_server_that_does_not_answer_is_replaced(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    first = own_trial.server_pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    assert own_trial.examine([good], [], timeout=0.5) == ()
    assert is_gone(first)


def test_when_the_server_is_stuck_with_plugin_code_that_is_a_hang(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    body = f"import os, signal\nopen({str(path)!r}, 'w').write(str(os.getpid()))\nsignal.pause()"
    found: list[tuple[Diagnostic, ...]] = []
    source = source_of(tmp_path, "stuck", body)
    runner = threading.Thread(
        target=lambda: found.append(own_trial.examine([source], [], timeout=1))
    )
    runner.start()
    (pid,) = wait_for(lambda: numbers_in(path), "the run")
    assert own_trial.server_pid is not None
    os.kill(own_trial.server_pid, signal.SIGSTOP)
    runner.join(10)
    assert only(found[0]).code == "RUN013"
    wait_for(lambda: is_gone(pid), "the end of the trial's process")
    assert own_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()


def test_a_server_without_descriptors_left_is_helped_by_a_spawned_worker(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    server = own_trial.server_pid
    assert server is not None
    (waiting,) = wait_for(lambda: children_of(server), "the child that waits")
    resource.prlimit(server, resource.RLIMIT_NOFILE, (4, 4))
    os.kill(waiting, signal.SIGKILL)
    wait_for(lambda: is_gone(waiting), "its end")
    path = tmp_path / "parent"
    body = f"import os\nopen({str(path)!r}, 'w').write(str(os.getppid()))\n"
    assert own_trial.examine([source_of(tmp_path, "one", body + GOOD)], [], timeout=10) == ()
    assert numbers_in(path) == [os.getpid()]
    assert own_trial.server_pid == server


def test_when_no_process_can_be_started_a_warning_lets_the_change_go_on(
    own_trial: ForkServerTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    found = only(own_trial.examine([source_of(tmp_path, "good")], [], timeout=10))
    assert (found.code, found.severity) == ("RUN019", Severity.WARNING)
    assert found.message.startswith("the trial could not be run: ")


def test_a_server_that_never_starts_gives_way_to_spawned_workers(
    own_trial: ForkServerTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.reload.trial_handle._SERVER", "devserver.no_such_module")
    assert own_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    found = only(own_trial.examine([source_of(tmp_path, "bad", "1/0")], [], timeout=10))
    assert found.code == "RUN001"


def test_close_leaves_no_process(tmp_path: Path) -> None:
    trial = new_trial(tmp_path)
    assert trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    server = trial.server_pid
    assert server is not None
    waiting = wait_for(lambda: children_of(server), "the child that waits")
    trial.close()
    assert is_gone(server)
    assert all(is_gone(pid) for pid in waiting)
    assert trial.server_pid is None


@pytest.mark.usefixtures("trial")
def test_close_ends_a_trial_that_runs(tmp_path: Path) -> None:
    closing = new_trial(tmp_path)
    path = tmp_path / "pid"
    body = f"import os, signal\nopen({str(path)!r}, 'w').write(str(os.getpid()))\nsignal.pause()"
    found: list[Any] = []
    source = source_of(tmp_path, "stuck", body)
    runner = threading.Thread(
        target=lambda: found.append(closing.examine([source], [], timeout=60))
    )
    runner.start()
    (pid,) = wait_for(lambda: numbers_in(path), "the run")
    closing.close()
    runner.join(10)
    # It did not pass: an error keeps the candidate from the live server, which is stopping.
    refusal = only(found[0])
    assert (refusal.code, refusal.severity) == ("RUN019", Severity.ERROR)
    wait_for(lambda: is_gone(pid), "the end of the trial's process")


def test_the_server_outlives_the_thread_that_started_it(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    starter = threading.Thread(target=own_trial.warm)
    starter.start()
    starter.join()
    server = own_trial.server_pid
    assert server is not None
    for _ in range(2):
        assert own_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    assert own_trial.server_pid == server


LIVE = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import children_of, source_of, wait_for

trial = ForkServerTrial(cache=None, memory_mb=lambda: "auto")
assert trial.examine([source_of(Path("/nowhere"), "good")], [], timeout=10) == ()
(waiting,) = wait_for(lambda: children_of(trial.server_pid), "the child that waits")
holder = os.fork()
if not holder:
    os.close(1)
    signal.pause()
print(trial.server_pid, waiting, holder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_live_process_takes_its_server_along(tmp_path: Path) -> None:
    """Also when a process that it forked has the server's socket still open."""
    script = tmp_path / "live.py"
    script.write_text(LIVE.format(path=[str(Path(__file__).parents[4])]))
    live = subprocess.run(
        [sys.executable, str(script)], stdout=subprocess.PIPE, timeout=60, check=False
    )
    assert live.returncode == -signal.SIGKILL
    server, waiting, holder = (int(n) for n in live.stdout.split())
    try:
        wait_for(lambda: is_gone(server) and is_gone(waiting), "the end of the server")
        assert not is_gone(holder)
    finally:
        os.kill(holder, signal.SIGKILL)
