"""ForkServerTrial: examines candidates in children of a warm fork server."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from devserver.core.diagnostics import Diagnostic
from devserver.core.source import PluginSource
from devserver.reload.overtaking import Superseded
from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_handle import CannotFork, ServerLost, ServerProcess
from devserver.reload.trial_preload import environment_folders
from devserver.reload.trial_spawn import START_LIMIT, run_spawned
from devserver.reload.trial_task import Conditions
from devserver.reload.trial_verdict import could_not_run, diagnostics_of, was_stopped
from devserver.reload.trial_watch import Process, end_group
from devserver.runtime.code_cache import CodeCache

AUTO_MEMORY_MB = 1024
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""macOS has a fork after which its own libraries do not work."""
_SLACK = 1.0
"""Seconds, beyond what the plugins may take, that the server gets to answer."""
_FAREWELL = 2.0


class ForkServerTrial:
    """A Trial whose server stays warm between examinations. `memory_mb` is asked at each one.
    `code` has what is compiled already in this process.

    `examine` is for one thread at a time; `warm` and `close` may be called from any.
    """

    def __init__(
        self,
        *,
        cache: Path | None,
        memory_mb: Callable[[], int | Literal["auto"]],
        code: CodeCache | None = None,
        environment: Sequence[str] | None = None,
    ) -> None:
        folders = environment_folders() if environment is None else environment
        self._environment = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
        self._cache = cache
        self._code = code or CodeCache(None)
        self._memory_mb = memory_mb
        self._server: ServerProcess | None = None
        self._worker: Process | None = None
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._examining = threading.Lock()
        self._closed = False

    @property
    def server_pid(self) -> int | None:
        """The process id of the fork server, None when there is none."""
        server = self._server
        return None if server is None else server.pid

    def warm(self) -> None:
        """Starts the server, which gets ready by itself; returns at once."""
        if CAN_FORK:
            with contextlib.suppress(CannotFork, ServerLost):
                self._running()

    def close(self) -> None:
        """Ends the server and what it runs. An `examine` on another thread then returns."""
        with self._lock:
            self._closed = True
            server, self._server = self._server, None
            worker = self._worker
        if server is not None:
            server.stop(_FAREWELL)
        if worker is not None:
            end_group(worker)

    def examine(
        self,
        entries: Sequence[PluginSource],
        context: Sequence[PluginSource],
        *,
        timeout: float,
        is_overtaken: Callable[[], bool] = lambda: False,
    ) -> tuple[Diagnostic, ...]:
        """What is wrong with `entries` when they are executed in this order, each for `timeout`
        seconds at most. Nothing of them is executed in this process.

        Raises Superseded when it ended early because `is_overtaken()`.
        """
        if not entries:
            return ()
        conditions = self._conditions(timeout)
        try:
            with self._examining:
                ended = self._tried(entries, context, conditions, is_overtaken)
        except (ServerLost, OSError, ValueError) as error:
            found: tuple[Diagnostic, ...] = (could_not_run(str(error), entries[0].name),)
        else:
            if ended.end is End.OVERTAKEN and not self._closed:
                raise Superseded
            found = diagnostics_of(ended, entries, context, conditions)
        return (was_stopped(entries[0].name),) if self._closed else found

    def _conditions(self, timeout: float) -> Conditions:
        memory = self._memory_mb()
        return Conditions(
            timeout=timeout,
            memory_mb=AUTO_MEMORY_MB if memory == "auto" else memory,
            path=tuple(p for p in sys.path if isinstance(p, str)),
            environ=dict(os.environ),
            folder=os.getcwd(),
            argv=tuple(sys.argv),
            environment=self._environment,
        )

    def _tried(
        self,
        entries: Sequence[PluginSource],
        context: Sequence[PluginSource],
        conditions: Conditions,
        is_overtaken: Callable[[], bool],
    ) -> Ended:
        limit = conditions.timeout * len(entries) + _SLACK
        try:
            try:
                return self._forked(entries, context, conditions, limit, is_overtaken)
            except ServerLost:
                return self._forked(entries, context, conditions, limit, is_overtaken)
        except CannotFork:
            return run_spawned(
                entries,
                context,
                conditions,
                cache=self._cache,
                on_start=self._remember,
                is_overtaken=is_overtaken,
            )
        finally:
            self._worker = None

    def _forked(
        self,
        entries: Sequence[PluginSource],
        context: Sequence[PluginSource],
        conditions: Conditions,
        limit: float,
        is_overtaken: Callable[[], bool],
    ) -> Ended:
        server = self._ready_server()
        deadline = time.monotonic() + limit
        try:
            ended = server.examine(
                entries,
                context,
                conditions,
                deadline=deadline,
                is_overtaken=is_overtaken,
            )
        except ServerLost:
            self._discard(server)
            raise
        if server.is_spent:
            self._discard(server)
        return ended

    def _ready_server(self) -> ServerProcess:
        """Raises CannotFork when it does not come up, tried twice."""
        for _ in range(2):
            server = self._running()
            try:
                server.wait_ready(time.monotonic() + START_LIMIT)
            except (ServerLost, TimeoutError):
                self._discard(server)
            else:
                return server
        raise CannotFork("the trial server does not start")

    def _running(self) -> ServerProcess:
        with self._lock:
            if self._closed:
                raise ServerLost("the trial is closed")
            if not CAN_FORK:
                raise CannotFork("this system has no fork that serves")
            if self._server is None:
                try:
                    self._server = ServerProcess(
                        cache=self._cache, code=self._code, refused=self._refused
                    )
                except (OSError, ValueError) as error:
                    raise CannotFork(str(error)) from None
                attend = threading.Thread(
                    target=self._attend, args=(self._server,), name="trial-server", daemon=True
                )
                attend.start()
            return self._server

    def _attend(self, server: ServerProcess) -> None:
        """Replaces a server that somebody kills, before the next save has to wait for it; one
        that never served would not live longer the second time."""
        server.wait_end()
        with self._examining:
            if self._server is server and server.has_served:
                self._discard(server)

    def _discard(self, server: ServerProcess) -> None:
        self._refused.update(server.importing)
        with self._lock:
            if self._server is server:
                self._server = None
        server.stop(0)
        self.warm()

    def _remember(self, worker: Process) -> None:
        with self._lock:
            self._worker = worker
            closed = self._closed
        if closed:
            end_group(worker)
