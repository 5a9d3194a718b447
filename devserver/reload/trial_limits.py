"""What the operating system is asked to hold a trial to. Where it cannot, nothing is done."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

if sys.platform != "win32":
    import resource

_MEGABYTE = 1 << 20
_OPEN_FILES = 4096
_FILE_SIZE = 1 << 30
_RESERVED = 8
"""How much more than it may write to a process may map: large libraries reserve addresses."""
_PARENT_DEATH_SIGNAL = 1
_CHILD_SUBREAPER = 36

_prctl: Callable[..., int] | None = (
    ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
)


def die_with_parent(parent: int, signal_number: int) -> None:
    """This process gets the signal when the thread that started it ends; it is gone at once
    when `parent` is not its parent any longer."""
    if _prctl is not None:
        _prctl(_PARENT_DEATH_SIGNAL, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)


def adopt_orphans() -> None:
    """Descendants whose parent ends become children of this process."""
    if _prctl is not None:
        _prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int] | None:
    """The ids of this process's children; None where the system does not tell."""
    me = os.getpid()
    try:
        return [int(n) for n in Path(f"/proc/{me}/task/{me}/children").read_bytes().split()]
    except OSError:
        return None


def is_stopped(pid: int) -> bool:
    """True for a process that a signal has stopped (SIGSTOP); False where it cannot be told."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[0] in (b"T", b"t")


def open_files() -> dict[str, str] | None:
    """What each descriptor of this process is open for; None where the system does not tell."""
    folder = "/proc/self/fd"
    found = {}
    try:
        for descriptor in os.listdir(folder):
            # The one of the listing itself is closed again.
            with contextlib.suppress(FileNotFoundError):
                found[descriptor] = os.readlink(f"{folder}/{descriptor}")
    except OSError:
        return None
    return found


def thread_count() -> int:
    """Threads of this process, also those that Python did not start."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        import threading

        return threading.active_count()


def limit_time_and_files(seconds: float) -> None:
    """Processor time in all, open files, the size of a file, no core dumps."""
    _limit(resource.RLIMIT_CPU, math.ceil(seconds) + 1)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, _FILE_SIZE)
    _limit(resource.RLIMIT_CORE, 0)


class MemoryLimit:
    """Holds this process to what it uses at the making of this object and something above.

    What counts is memory that it may write to; addresses that are only reserved or belong to
    mapped libraries have a limit of their own, several times as high.
    """

    def __init__(self) -> None:
        self._used = _memory_in_use()
        self._before: list[tuple[int, tuple[int, int]]] = []

    def hold(self, megabytes: int) -> None:
        """From now on it may use so much more."""
        if self._used is not None:
            mapped, writable = self._used
            budget = megabytes * _MEGABYTE
            self._set(resource.RLIMIT_DATA, writable + budget)
            self._set(resource.RLIMIT_AS, mapped + _RESERVED * budget)

    def lift(self) -> None:
        """The process may use what it could before: telling what happened takes memory too."""
        for kind, before in self._before:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, before)

    def _set(self, kind: int, value: int) -> None:
        self._before.append((kind, resource.getrlimit(kind)))
        _limit(kind, value)


def _limit(kind: int, value: int) -> None:
    """Never raises a limit that is in force already."""
    soft, hard = resource.getrlimit(kind)
    held = [n for n in (soft, hard, value) if n != resource.RLIM_INFINITY]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (min(held), hard))


def _memory_in_use() -> tuple[int, int] | None:
    """Bytes that are mapped, and those of them that are private and writable."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()
    except OSError:
        return None
    size = resource.getpagesize()
    return int(pages[0]) * size, int(pages[5]) * size
