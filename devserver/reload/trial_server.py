"""The trial server: a warm process with one thread that forks a child for each trial.

It imports modules of the environment, never a plugin's, and executes no plugin code itself.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_fork import PARENT_GONE, ForkedChild, end_orphans
from devserver.reload.trial_limits import adopt_orphans, children, die_with_parent
from devserver.reload.trial_preload import ALWAYS, Preloader
from devserver.reload.trial_start import command
from devserver.reload.trial_task import SourceShelf
from devserver.reload.trial_wire import Channel
from devserver.runtime.code_cache import CodeCache

_PAUSE = 0.03
"""Seconds of rest after an answer: as long as what follows a trial usually takes."""


def main(options: Mapping[str, Any]) -> None:
    """Serves trials over the socket `fd` until its other end closes or the process `live`, which
    started this one, is gone. `cache` is the folder of the code cache or None, `refused` are
    packages that are not to be preloaded, `wanted` modules that are."""
    live = options["live"]

    def leave(_number: int, _frame: Any) -> NoReturn:
        raise SystemExit(0)

    def leave_if_alone(_number: int, _frame: Any) -> None:
        # The system tells the end of the mere thread that started this process as well.
        if os.getppid() != live:
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(PARENT_GONE, leave_if_alone)
    die_with_parent(live, PARENT_GONE)
    adopt_orphans()
    gc.disable()
    with contextlib.suppress(BrokenPipeError, ConnectionError):
        TrialServer(options).serve()


class TrialServer:
    """Answers one request after the other: with `ended`; with `missing` when it lacks a source
    that the request counts on; with `cannot` when the system gives it no child."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._channel = Channel(socket.socket(fileno=options["fd"]))
        self._code = CodeCache(None if options["cache"] is None else Path(options["cache"]))
        self._shelf = SourceShelf(self._code)
        self._preloader = Preloader(refused=options["refused"])
        self._child: ForkedChild | None = None
        self._done: ForkedChild | None = None

    def serve(self) -> None:
        """Until the other end closes."""
        self._channel.send({"ready": True})
        # Who has waited for that asks at once, and mostly about plugins that need none of these.
        self._channel.waits(_PAUSE)
        self._preload([*ALWAYS, *self._options["wanted"]], is_busy=self._channel.waits)
        try:
            while True:
                # One that has its start behind it before anybody waits; else it is tried again.
                with contextlib.suppress(OSError):
                    self._get_ready()
                request = self._channel.receive()
                if request is None:
                    return
                if "abandon" in request:
                    # The trial that is meant had just ended by itself.
                    continue
                imported = self._answer(request)
                # What called goes on with its reload now: it is to have the processors.
                self._channel.waits(_PAUSE)
                self._clear_away()
                self._preload(imported, is_busy=self._channel.waits)
        finally:
            for child in (self._child, self._done):
                if child is not None:
                    child.end()

    def _get_ready(self) -> ForkedChild:
        """The child that waits for the next request. Raises OSError."""
        child = self._child
        if child is not None and not child.is_alive():
            child.end()
            child = None
        if child is None:
            # What is no garbage now never will be: the child's collector need not touch it.
            gc.freeze()
            live = self._options["live"]
            child = ForkedChild(
                shelf=self._shelf, code=self._code, live=live, control=self._channel
            )
        self._child = child
        return child

    def _answer(self, request: dict[str, Any]) -> tuple[str, ...]:
        """Gives the modules that are to be preloaded."""
        try:
            timeout = self._shelf.unpack(request).conditions.timeout
        except KeyError:
            self._channel.send({"missing": True})
            return ()
        self._channel.send({"started": True})
        try:
            ended = self._tried(request, timeout)
            if ended.end is End.FAULT:
                ended = self._tried(request, timeout)
        except OSError as error:
            self._channel.send({"cannot": error.strerror or str(error)})
            return ()
        if ended.end is End.STOPPED:
            raise SystemExit(0)
        if ended.end is End.OVERTAKEN:
            self._channel.receive()
        self._channel.send({"ended": ended.to_message()})
        # The live process imports what passed now too; what did not may still be edited.
        return ended.imported if ended.end is End.PASSED else ()

    def _tried(self, request: dict[str, Any], timeout: float) -> Ended:
        child, self._child = self._get_ready(), None
        self._done = child
        ended = child.examine(request, timeout)
        if not ended.alone or children() != [child.pid]:
            self._clear_away()
        return ended

    def _clear_away(self) -> None:
        """Ends the child that has done its task, and whatever that left."""
        child, self._done = self._done, None
        if child is not None:
            child.end()
            end_orphans()

    def _preload(self, names: Iterable[str], *, is_busy: Callable[[], bool]) -> None:
        self._preloader.want(names)
        if not self._preloader.packages:
            return
        # Told before, in case that this process does not live through it.
        self._channel.send({"importing": self._preloader.packages})
        alone = self._preloader.work(is_busy=is_busy)
        self._channel.send({"importing": []})
        if not alone:
            self._begin_anew()
        gc.collect()

    def _begin_anew(self) -> None:
        """Becomes a fresh process on the same socket: threads cannot be got rid of otherwise."""
        options = {
            **self._options,
            "wanted": self._preloader.wanted,
            "refused": sorted(self._preloader.refused),
        }
        os.set_inheritable(self._channel.fileno(), True)
        arguments = command(__name__, options)
        os.execv(arguments[0], arguments)
