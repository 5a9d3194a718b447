"""An event loop that another thread can take over while a callback blocks the one it runs on.

Tasks, futures and locks are bound to their loop, not to its thread: with the loop they move as
they are, local variables and all. Only the callback that blocks stays behind, in its thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devserver.runtime.interrupt import HookInterrupted

_log = logging.getLogger("devserver.loop")

# What it has inside, on which the taking over rests, is not in its type stubs.
_Base: Any = asyncio.SelectorEventLoop
if sys.platform == "win32":
    _Base = asyncio.ProactorEventLoop

if TYPE_CHECKING:
    _Handles = deque[asyncio.Handle]
else:
    _Handles = deque


@dataclass(frozen=True, slots=True)
class Running:
    """The callback that runs now: which one it is, counted from the start, and the monotonic
    second at which it began."""

    number: int
    since: float


class _Taken(BaseException):
    """The loop has gone on in another thread; this one gets no callback any more."""


class _Ready(_Handles):
    """The callbacks that are to run. The loop takes each from here, so this is the place that
    knows what runs since when, and where a thread that lost the loop is turned away."""

    def __init__(self, handles: Iterable[asyncio.Handle]) -> None:
        super().__init__(handles)
        self.lock = threading.Lock()
        self.driver = 0
        self.number = 0
        self.since: float | None = None

    def popleft(self) -> asyncio.Handle:
        with self.lock:
            if threading.get_ident() != self.driver:
                raise _Taken
            self.number += 1
            self.since = time.monotonic()
            return super().popleft()

    def rest(self) -> bool:
        """No callback runs now. False for a thread that lost the loop."""
        with self.lock:
            if threading.get_ident() != self.driver:
                return False
            self.since = None
            return True


class MovableLoop(_Base):  # type: ignore[misc]
    """Runs by `drive`; everything else is as asyncio has it."""

    def __init__(self) -> None:
        super().__init__()
        self._thread_id: int | None
        self._ready: _Ready = _Ready(self._ready)
        self._late: list[tuple[int, asyncio.Handle]] = []

    def drive(self, until: Callable[[], bool]) -> bool:
        """Runs callbacks on this thread: until `until()`, which is asked after each round (True),
        or until another thread has taken the loop (False)."""
        me = threading.get_ident()
        with self._ready.lock:
            self._ready.driver = self._thread_id = me
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
        )
        asyncio._set_running_loop(self)
        try:
            while not until():
                self._round()
                if not self._ready.rest():
                    return False
            return True
        finally:
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
            if self._thread_id == me:
                self._thread_id = None
            else:
                self._hand_over(me)

    def _round(self) -> None:
        try:
            self._run_once()
        except _Taken:
            return
        except BaseException:  # noqa: BLE001 - a plugin's own task may raise SystemExit
            if not self._is_lost():
                _log.exception("a plugin's task tried to end the plugin loop; it goes on")

    def _hand_over(self, thread: int) -> None:
        """What a thread that lost the loop has still scheduled is for the new one."""
        late = [entry for entry in self._late if entry[0] == thread]
        for entry in late:
            self._late.remove(entry)
            self._ready.append(entry[1])
        if late:
            self._write_to_self()

    def running(self) -> Running | None:
        """What runs now; None while the loop waits for something to do."""
        ready = self._ready
        with ready.lock:
            return None if ready.since is None else Running(ready.number, ready.since)

    def take(self, running: Running) -> bool:
        """Takes the loop from its thread, for another one to drive it. False when that callback
        has come to its end."""
        ready = self._ready
        with ready.lock:
            if ready.since is None or ready.number != running.number:
                return False
            ready.since = None
            ready.driver = 0
            self._thread_id = 0
        current = asyncio.current_task(self)
        if current is not None:
            # It may have come to its end since: then there is nothing to take back. Where this
            # is kept by thread (3.14), it is not ours to change, nor in anybody's way.
            with contextlib.suppress(RuntimeError):
                asyncio.tasks._leave_task(self, current)
        return True

    def _is_lost(self) -> bool:
        """True on a thread that the loop was taken from while it ran something there."""
        return threading.get_ident() != self._thread_id and asyncio._get_running_loop() is self

    # -- what is called from within a callback, which may have been left behind ----------------

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        if not self._is_lost():
            handle: asyncio.Handle = super().call_soon(callback, *args, context=context)
            return handle
        # Not before the callback that this is called from has ended, as always.
        late = asyncio.Handle(callback, args, self, context)
        self._late.append((threading.get_ident(), late))
        return late

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        if self._is_lost():
            # The timers belong to the thread that drives the loop now.
            raise HookInterrupted
        handle: asyncio.TimerHandle = super().call_at(when, callback, *args, context=context)
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._is_lost():
            super().call_exception_handler(context)
