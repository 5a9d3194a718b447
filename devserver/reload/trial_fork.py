"""The children of the trial server: each waits for one task, executes it, and is gone."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from typing import Any, NoReturn

from devserver.reload.trial_child import Child
from devserver.reload.trial_end import Ended
from devserver.reload.trial_limits import children, die_with_parent
from devserver.reload.trial_task import SourceShelf
from devserver.reload.trial_watch import Pipes, end_group, watch
from devserver.reload.trial_wire import Channel
from devserver.runtime.code_cache import CodeCache

PARENT_GONE = signal.SIGUSR1
"""What the server gets when the process that started it ends."""


class ForkedChild:
    """A child of this process, to its watch what subprocess.Popen would be.

    It has of `shelf` and `code` what they hold now. `control` is the server's way to the live
    process, which is not the child's business. Raises OSError when the system gives none.
    """

    def __init__(self, *, shelf: SourceShelf, code: CodeCache, live: int, control: Channel) -> None:
        self._control = control
        self._code: int | None = None
        self._pipes = Pipes()
        ours, theirs = socket.socketpair()
        self._requests = Channel(ours)
        server = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            self._requests.close()
            theirs.close()
            self._pipes.close()
            raise
        if self.pid == 0:
            self._be(Channel(theirs), server, shelf, code, live)
        theirs.close()
        self._pipes.close_theirs()

    def _be(
        self, requests: Channel, server: int, shelf: SourceShelf, code: CodeCache, live: int
    ) -> NoReturn:
        """What the child does; it never comes back from here."""
        try:
            os.setsid()
            for number in (signal.SIGTERM, PARENT_GONE):
                signal.signal(number, signal.SIG_DFL)
            die_with_parent(server, signal.SIGKILL)
            self._control.close()
            self._requests.close()
            self._pipes.close_ours()
            report, output, stacks = self._pipes.theirs
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            mark = self._pipes.mark
            child = Child(code=code, report=report, mark=mark, stacks=stacks, live=live)
            request = requests.receive()
            requests.close()
            if request is not None:
                gc.enable()
                child.run(shelf.unpack(request))
        finally:
            os._exit(1)

    def is_alive(self) -> bool:
        """False when something ended it while it waited."""
        return self.poll() is None

    def examine(self, request: dict[str, Any], timeout: float) -> Ended:
        """Has it execute the task that `request` packs. Only once. It is gone afterwards, unless
        it passed alone: nothing of it is in anybody's way then."""
        # One that has died takes nothing; the watch then tells how it died.
        with contextlib.suppress(ConnectionError):
            self._requests.send(request)
        return watch(self, self._pipes, timeout=timeout, control=self._control, may_stay=True)

    def end(self) -> None:
        """It is gone afterwards."""
        end_group(self)
        self._requests.close()
        self._pipes.close()

    def poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        code = self._reap(0)
        return -signal.SIGKILL if code is None else code

    def _reap(self, options: int) -> int | None:
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:
                pid, status = self.pid, signal.SIGKILL
            if pid and not os.WIFSTOPPED(status):
                self._code = os.waitstatus_to_exitcode(status)
        return self._code


def end_orphans() -> None:
    """Ends what a trial has started and left, also what left its process group."""
    while True:
        known = children()
        for pid in known or ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            pid, _ = os.waitpid(-1, 0 if known else os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
