"""The fork server as the live process sees it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from devserver.core.source import PluginSource
from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_preload import ONE_THREAD
from devserver.reload.trial_start import command
from devserver.reload.trial_task import Conditions, SourceSender
from devserver.reload.trial_watch import end_group
from devserver.reload.trial_wire import Channel
from devserver.runtime.code_cache import CodeCache
from devserver.runtime.debuggers import undebugged

_SERVER = "devserver.reload.trial_server"
_LOOK = 0.05
"""Seconds between two looks whether there is newer content."""


class ServerLost(Exception):
    """The fork server is gone, or does not answer."""


class CannotFork(Exception):
    """The system gives no fork server, or gives it no child."""


class ServerProcess:
    """A fork server as this process sees it. Raises OSError or ValueError when it cannot be
    started; it then goes on getting ready by itself. It is given the code that `code` has in
    memory, so that it need not compile that again."""

    def __init__(self, *, cache: Path | None, code: CodeCache, refused: Iterable[str]) -> None:
        ours, theirs = socket.socketpair()
        self.importing: list[str] = []
        """The packages that it imports just now to have them ready."""
        self.is_spent = False
        self.has_served = False
        self._ready = False
        self._sender = SourceSender(code)
        self._channel = Channel(ours)
        options = {
            "fd": theirs.fileno(),
            "live": os.getpid(),
            "cache": None if cache is None else str(cache),
            "refused": sorted(refused),
            "wanted": [],
        }
        try:
            with theirs, undebugged():
                self._process = subprocess.Popen(
                    command(_SERVER, options),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **ONE_THREAD},
                    pass_fds=(theirs.fileno(),),
                    # The terminal's Ctrl-C is not for it.
                    start_new_session=True,
                )
        except BaseException:  # raised again, with the socket closed
            ours.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_end(self) -> None:
        """Until it is gone."""
        self._process.wait()

    def wait_ready(self, deadline: float) -> None:
        """Raises ServerLost."""
        while not self._ready:
            self._next(deadline)

    def examine(
        self,
        entries: Sequence[PluginSource],
        context: Sequence[PluginSource],
        conditions: Conditions,
        *,
        deadline: float,
        is_overtaken: Callable[[], bool],
    ) -> Ended:
        """Raises ServerLost or CannotFork; when it was executing plugin code and is not heard of
        in time, that is a time-out and the server is spent. `is_overtaken` is asked now and then;
        True ends it early."""
        started = False
        try:
            self._send(self._sender.pack(entries, context, conditions), deadline)
            while True:
                self._wait_message(deadline, is_overtaken)
                message = self._next(deadline)
                if "ended" in message:
                    self.has_served = True
                    return Ended.from_message(message["ended"])
                if "cannot" in message:
                    raise CannotFork(message["cannot"])
                if "missing" in message:
                    self._sender.forget()
                    self._send(self._sender.pack(entries, context, conditions), deadline)
                started = started or "started" in message
        except TimeoutError:
            self.is_spent = True
            if started:
                return Ended(end=End.TIMED_OUT)
            raise ServerLost("the trial server does not answer") from None

    def stop(self, grace: float) -> None:
        """It ends, with all that it started, at the latest after `grace` seconds; an `examine`
        that waits for it raises."""
        self._channel.cut()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            end_group(self._process)
        self._channel.close()

    def _send(self, message: dict[str, Any], deadline: float) -> None:
        try:
            self._channel.send(message, deadline)
        except TimeoutError:
            raise
        except OSError:
            # It is gone; what it has told before it went is still to be read.
            return

    def _wait_message(self, deadline: float, is_overtaken: Callable[[], bool]) -> None:
        told = False
        while not self._channel.waits(_LOOK) and time.monotonic() < deadline:
            if not told and is_overtaken():
                told = True
                self._send({"abandon": True}, deadline)

    def _next(self, deadline: float) -> dict[str, Any]:
        try:
            message = self._channel.receive(deadline)
        except TimeoutError:
            raise
        except OSError:
            message = None
        if message is None:
            raise ServerLost("the trial server has died")
        self._ready = self._ready or "ready" in message
        self.importing = message.get("importing", self.importing)
        return message
