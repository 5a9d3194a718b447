"""How a trial's process may end: each way leaves a trace of where it was."""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import signal
import sys
from typing import Any, NoReturn

DUMP_SIGNAL = getattr(signal, "SIGRTMAX", None) or signal.SIGTERM
"""Makes the process write its stack; one that plugins hardly use themselves."""
MARK = "@"
"""Begins a line, among the stacks, that names the call which the next stack made."""
_TOLD_CALLS = frozenset({"os.kill", "os.killpg", "os.exec"})
_DEADLY = ("SIGXCPU", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGTERM")
"""Signals that end a process which has not asked for anything else."""
_MOST_FORKS = 256

_exit = os._exit


def note_endings(stacks: int, protected: set[int]) -> None:
    """Has whatever may end this process at once leave its stack, and refuses what would end the
    `protected` processes."""
    faulthandler.enable(stacks, all_threads=False)
    faulthandler.register(DUMP_SIGNAL, stacks, all_threads=False)
    for name in _DEADLY:
        with contextlib.suppress(AttributeError, ValueError):  # not every system has all
            number = getattr(signal, name)
            faulthandler.register(number, stacks, all_threads=False, chain=True)
    me, forks = os.getpid(), mmap.mmap(-1, 8)

    def note(event: str) -> None:
        if os.getpid() == me:
            with contextlib.suppress(OSError, ValueError):
                os.write(stacks, f"\n{MARK}{event}\n".encode())
                faulthandler.dump_traceback(stacks, all_threads=False)

    def leave(status: int) -> NoReturn:
        note("os._exit")
        _exit(status)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.fork":
            # Counted by all of them together.
            count = int.from_bytes(forks[:], "little") + 1
            forks[:] = count.to_bytes(8, "little")
            if count > _MOST_FORKS:
                raise BlockingIOError(f"the trial lets {_MOST_FORKS} processes be forked at most")
        elif event in _TOLD_CALLS:
            note(event)
            if event != "os.exec" and _would_hit(protected, event, *arguments):
                raise PermissionError("the trial does not let plugin code signal its server")

    os._exit = leave
    sys.addaudithook(watch)


def _would_hit(protected: set[int], event: str, target: int, number: int) -> bool:
    if number == 0:
        return False
    if event == "os.kill" and target > 0:
        return target in protected
    group = abs(target)
    for process in protected:
        with contextlib.suppress(OSError):
            if group == os.getpgid(process):
                return True
    return target == -1 or (event == "os.killpg" and target == 1)
