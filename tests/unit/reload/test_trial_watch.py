"""The watch of a process: what it believes, and when it ends it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_watch import Pipes, watch
from devserver.reload.trial_wire import Channel


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    pipes.close()


def watched(pipes: Pipes, body: str, *, control: Channel | None = None, time: float = 20) -> Ended:
    """The end of a process that runs `body`, in which `tell(text)` writes lines of a report and
    `write(text)` to the same place."""
    report, output, stacks = pipes.theirs
    begin = f"""
import os, signal
write = lambda text: os.write({report}, text)
tell = lambda text: [write(b"{pipes.mark}" + line) for line in text.splitlines(keepends=True)]
STACKS = {stacks}
"""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", begin + body],
        stdout=output,
        stderr=output,
        pass_fds=(report, stacks),
        start_new_session=True,
    )
    pipes.close_theirs()
    return watch(process, pipes, timeout=time, control=control)


def test_the_end_is_what_the_process_tells_and_it_is_not_waited_for(pipes: Pipes) -> None:
    ended = watched(pipes, 'tell(b\'{"passed": ["json"]}\\n\')\nsignal.pause()')
    assert (ended.end, ended.imported) == (End.PASSED, ("json",))


@pytest.mark.parametrize(
    "garbage", ["garbage", "[1]", '{"passed": 3}', '{"entry": "x"}', "{", '"', "null"]
)
def test_what_is_no_report_of_ours_is_passed_over(pipes: Pipes, garbage: str) -> None:
    text = f"{garbage}\n\xff\n".encode("latin-1") + b'{"entry": 1}\n{"passed": []}\n'
    ended = watched(pipes, f"tell({text!r})")
    assert (ended.end, ended.entry) == (End.PASSED, 1)


def test_what_does_not_bear_the_mark_is_not_believed(pipes: Pipes) -> None:
    body = """
tell(b'{"entry": 0}\\n')
write(b'{"passed": []}\\n{"failure": {}}\\n' + b"x" * 5_000_000)
tell(b'\\n{"entry": 1}\\n')
os._exit(5)
"""
    ended = watched(pipes, body)
    assert (ended.end, ended.status, ended.entry) == (End.EXITED, 5, 1)


def test_a_report_without_an_end_is_not_kept_without_one(pipes: Pipes) -> None:
    body = "for _ in range(100): tell(b'x' * 1_000_000)\ntell(b'\\n{\"passed\": []}\\n')"
    assert watched(pipes, body).end is End.PASSED


def test_a_process_that_ends_before_it_began_is_our_fault(pipes: Pipes) -> None:
    assert watched(pipes, "os._exit(3)").end is End.FAULT


def test_exit_codes_and_signals_are_told_apart(pipes: Pipes) -> None:
    ended = watched(pipes, "tell(b'{\"entry\": 0}\\n')\nos.kill(os.getpid(), signal.SIGTERM)")
    assert (ended.end, ended.status) == (End.SIGNALLED, signal.SIGTERM)


def test_an_end_is_seen_though_a_grandchild_has_the_pipes(pipes: Pipes) -> None:
    body = "tell(b'{\"entry\": 0}\\n')\nos.fork() or signal.pause()\nos._exit(5)"
    ended = watched(pipes, body)
    assert (ended.end, ended.status) == (End.EXITED, 5)


def test_only_the_end_of_the_output_is_kept(pipes: Pipes) -> None:
    body = "print('x' * 1_000_000 + 'end', flush=True)\ntell(b'{\"passed\": []}\\n')"
    ended = watched(pipes, body)
    assert ended.output.endswith("xend\n")
    assert len(ended.output) <= 4096


def test_the_time_of_each_entry_begins_anew(pipes: Pipes) -> None:
    body = """
import time
for n in range(8):
    tell(b'{"entry": %d}\\n' % n)
    time.sleep(0.15)
signal.pause()
"""
    ended = watched(pipes, body, time=1)
    assert (ended.end, ended.entry) == (End.TIMED_OUT, 7)


def test_nobody_who_wants_to_know_ends_it(pipes: Pipes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.shutdown(socket.SHUT_RDWR)
        assert watched(pipes, "signal.pause()", control=Channel(theirs)).end is End.STOPPED
