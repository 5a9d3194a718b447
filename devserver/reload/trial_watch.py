"""Watches a trial's process: takes what it tells, and ends it when its time is up."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import select
import signal
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_endings import DUMP_SIGNAL, MARK
from devserver.reload.trial_limits import is_stopped
from devserver.reload.trial_wire import Channel

_TICK = 0.02
"""Seconds between two looks whether the process is there, where its end shows in no other way."""
_SHORT_TICK = 0.001
STOPPED = "stopped"
"""Among the stacks: the process did not run any more when its time was up."""
_PATIENCE = 0.25
"""Seconds that a process whose time is up gets to write its stack."""
_QUIET = 0.02
_OUTPUT_KEPT = 4096
_STACKS_KEPT = 1 << 16
_LONGEST_REPORT = 4 << 20
_LAST_READS = 64


class Process(Protocol):
    """A child process; what it answers is as subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...


class Pipes:
    """The three pipes of a trial; its process writes, the watch reads."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        """Begins each line of a report, which plugin code that writes anywhere does not know."""
        self.ours: list[int] = []
        """The ends to read from: report, output, stacks."""
        self.theirs: list[int] = []
        """The ends to write to, in the same order."""
        try:
            for _ in range(3):
                read, write = os.pipe()
                self.ours.append(read)
                self.theirs.append(write)
                os.set_blocking(read, False)
        except OSError:
            self.close()
            raise

    def close_theirs(self) -> None:
        while self.theirs:
            os.close(self.theirs.pop())

    def close_ours(self) -> None:
        while self.ours:
            os.close(self.ours.pop())

    def close(self) -> None:
        self.close_theirs()
        self.close_ours()


def watch(
    process: Process,
    pipes: Pipes,
    *,
    timeout: float,
    start: float = 0,
    control: Channel | None = None,
    may_stay: bool = False,
    is_overtaken: Callable[[], bool] = lambda: False,
) -> Ended:
    """Waits for the end of a trial whose entries have `timeout` seconds each, after `start`
    seconds at most to get going; then its process is gone, and with it its group. Only with
    `may_stay` one that passed and is `alone` is left for the caller to end.

    When the other end of `control` goes, nobody wants to know any longer and the trial ends; so
    it does when something is to be read there, or `is_overtaken()`: there is newer content.
    """
    watching, stays = _Watch(process, pipes, timeout, start, control, is_overtaken), False
    try:
        end = watching.wait()
        stays = may_stay and end is End.PASSED and watching.told.alone
        if end is End.TIMED_OUT:
            watching.take_stack()
    finally:
        status = 0 if stays else end_group(process)
    watching.drain()
    watching.forget()
    return watching.told.ended(end, abs(status))


def end_group(process: Process) -> int:
    """Kills the process and all of its group; gives its return code as Popen has it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        # It may not have become the leader of its group yet.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return process.wait()


class _Told:
    """What came out of the pipes so far, each kept within bounds."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self.end: End | None = None
        self.stacks = bytearray()
        self._output = bytearray()
        self._line = bytearray()
        self._entry = -1
        self._failure: Mapping[str, Any] | None = None
        self._imported: tuple[str, ...] = ()
        self.alone = False
        self._fault = ""

    @property
    def entry(self) -> int:
        """The entry that is being executed; -1 before the first."""
        return self._entry

    def take_report(self, content: bytes) -> None:
        self._line += content
        if b"\n" not in content:
            del self._line[_LONGEST_REPORT:]
            return
        *lines, self._line = self._line.split(b"\n")
        for line in lines:
            if not line.startswith(self._mark):
                continue
            try:
                message = json.loads(line[len(self._mark) :])
            except ValueError:
                continue
            if isinstance(message, dict) and self.end is None:
                self._understand(message)

    def _understand(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"entry": int(number)}:
                self._entry = number
            case {"failure": dict(failure)}:
                self.end, self._failure = End.FAILED, failure
            case {"passed": list(names)}:
                self.end, self._imported = End.PASSED, tuple(str(n) for n in names)
                self.alone = message.get("alone") is True
            case {"fault": str(text)}:
                self.end, self._fault = End.FAULT, text

    def take_output(self, content: bytes) -> None:
        self._output += content
        del self._output[:-_OUTPUT_KEPT]

    def take_stacks(self, content: bytes) -> None:
        self.stacks += content
        del self.stacks[:-_STACKS_KEPT]

    def ended(self, end: End, status: int) -> Ended:
        fault = self._fault
        if self._entry < 0 and end in (End.EXITED, End.SIGNALLED):
            # Plugin code had no part in it.
            end, fault = End.FAULT, "its process ended before it began"
        return Ended(
            end=end,
            entry=max(self._entry, 0),
            status=status,
            # One that was interrupted to show its stack may still have come to an end.
            failure=self._failure if end is End.FAILED else None,
            stack=self.stacks.decode("utf-8", "replace"),
            output=self._output.decode("utf-8", "replace"),
            imported=self._imported,
            fault=fault,
            alone=self.alone,
        )


class _Watch:
    def __init__(
        self,
        process: Process,
        pipes: Pipes,
        timeout: float,
        start: float,
        control: Channel | None,
        is_overtaken: Callable[[], bool],
    ) -> None:
        self.told = _Told(pipes.mark)
        self._process = process
        self._timeout = timeout
        self._deadline = time.monotonic() + start + timeout
        self._control = control
        self._is_overtaken = is_overtaken
        self._report, output, stacks = pipes.ours
        self._takers: dict[int, Callable[[bytes], None]] = {
            self._report: self._take_report,
            output: self.told.take_output,
            stacks: self.told.take_stacks,
        }
        self._poller = select.poll()
        for descriptor in (*pipes.ours, *(() if control is None else (control.fileno(),))):
            self._poller.register(descriptor, select.POLLIN)

    def wait(self) -> End:
        """Until the process has told how it ended, is gone, or has no time left."""
        while (left := self._deadline - time.monotonic()) > 0:
            silent = self._report not in self._takers
            ready = self._take(min(left, _SHORT_TICK if silent else _TICK))
            if self._control is not None and self._control.fileno() in ready:
                return End.STOPPED if self._control.is_cut() else End.OVERTAKEN
            if self._is_overtaken():
                return End.OVERTAKEN
            if self.told.end is None and (silent or not ready):
                code = self._process.poll()
                if code is not None:
                    self.drain()
                    return self.told.end or (End.SIGNALLED if code < 0 else End.EXITED)
            if self.told.end is not None:
                return self.told.end
        return End.TIMED_OUT

    def take_stack(self) -> None:
        """Has the process write where it is; what it wrote before is of no interest."""
        self.told.stacks.clear()
        if is_stopped(self._process.pid):
            self.told.stacks += f"\n{MARK}{STOPPED}\n".encode()
        # The second is for one that has taken the first for itself.
        for number in (DUMP_SIGNAL, signal.SIGSEGV):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
                os.kill(self._process.pid, signal.SIGCONT)
            if self._wait_stack():
                return

    def _wait_stack(self) -> bool:
        before = len(self.told.stacks)
        until = time.monotonic() + _PATIENCE
        while (left := until - time.monotonic()) > 0:
            ready = self._take(min(left, _QUIET))
            if len(self.told.stacks) > before and not ready:
                return True
        return False

    def drain(self) -> None:
        """Takes what is left in the pipes."""
        for _ in range(_LAST_READS):
            if not self._takers or not self._take(0):
                return

    def forget(self) -> None:
        """Nothing is taken any more. What refers to itself would stay: the trial server's
        collector of garbage rests."""
        self._takers.clear()

    def _take(self, seconds: float) -> Collection[int]:
        """Waits that long for anything to come and takes it; gives the descriptors."""
        ready = [descriptor for descriptor, _ in self._poller.poll(math.ceil(seconds * 1000))]
        for descriptor in ready:
            taker = self._takers.get(descriptor)
            if taker is None:
                continue
            content = os.read(descriptor, 1 << 16)
            if content:
                taker(content)
            else:
                del self._takers[descriptor]
                self._poller.unregister(descriptor)
        return ready

    def _take_report(self, content: bytes) -> None:
        before = self.told.entry
        self.told.take_report(content)
        if self.told.entry != before:
            self._deadline = time.monotonic() + self._timeout
