"""A trial in a process started for it alone: where the system has no fork, or gives none."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devserver.core.source import PluginSource
from devserver.reload.trial_child import Child
from devserver.reload.trial_end import Ended
from devserver.reload.trial_limits import die_with_parent
from devserver.reload.trial_preload import ALWAYS, Preloader
from devserver.reload.trial_start import command
from devserver.reload.trial_task import Conditions, SourceSender, SourceShelf
from devserver.reload.trial_watch import Pipes, Process, watch
from devserver.reload.trial_wire import Channel
from devserver.runtime.code_cache import CodeCache
from devserver.runtime.debuggers import undebugged

START_LIMIT = 10.0
"""Seconds that a trial process gets until it is ready to execute plugin code."""


def run_spawned(
    entries: Sequence[PluginSource],
    context: Sequence[PluginSource],
    conditions: Conditions,
    *,
    cache: Path | None,
    on_start: Callable[[Process], None],
    is_overtaken: Callable[[], bool],
) -> Ended:
    """The end of a trial in a process of its own; `on_start` is given that process.

    Raises OSError or ValueError when it cannot be started.
    """
    pipes = Pipes()
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = _start(theirs.fileno(), pipes, cache)
        on_start(process)
        pipes.close_theirs()
        message = SourceSender().pack(entries, context, conditions)
        # One that has died takes nothing; the watch then tells how it died.
        with contextlib.suppress(OSError):
            Channel(ours).send(message, time.monotonic() + START_LIMIT)
        return watch(
            process,
            pipes,
            timeout=conditions.timeout,
            start=START_LIMIT,
            is_overtaken=is_overtaken,
        )
    finally:
        ours.close()
        pipes.close()


def _start(request: int, pipes: Pipes, cache: Path | None) -> subprocess.Popen[bytes]:
    report, output, stacks = pipes.theirs
    options = {
        "request": request,
        "report": report,
        "stacks": stacks,
        "mark": pipes.mark,
        "live": os.getpid(),
        "cache": None if cache is None else str(cache),
    }
    with undebugged():
        return subprocess.Popen(
            command(__name__, options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(request, report, stacks),
            start_new_session=True,
        )


def main(options: Mapping[str, Any]) -> None:
    """The process itself: one task from the socket `request`, then what Child does."""
    die_with_parent(options["live"], signal.SIGKILL)
    preloader = Preloader(refused=())
    preloader.want(ALWAYS)
    preloader.work(is_busy=lambda: False)
    connection = socket.socket(fileno=options["request"])
    message = Channel(connection).receive()
    connection.close()
    if message is None:
        return
    report, mark, stacks = options["report"], options["mark"], options["stacks"]
    for descriptor in (report, stacks):
        os.set_inheritable(descriptor, False)
    code = CodeCache(None if options["cache"] is None else Path(options["cache"]))
    child = Child(code=code, report=report, mark=mark, stacks=stacks, live=options["live"])
    child.run(SourceShelf().unpack(message))
