"""Where work is: the plugin's frames of the thread or the task that runs it."""

from __future__ import annotations

import asyncio
import threading
import weakref
from types import TracebackType
from typing import Any

from devserver.runtime.interrupt import hang_of, place_of, stack_of_task, stack_of_thread
from devserver.runtime.tracebacks import format_error


def current_task() -> weakref.ref[asyncio.Task[Any]] | None:
    """The task that this code runs in; None outside of a loop."""
    if asyncio._get_running_loop() is None:
        return None
    task = asyncio.current_task()
    return None if task is None else weakref.ref(task)


def trace_of(thread: threading.Thread, task: asyncio.Task[Any] | None) -> TracebackType | None:
    """Where work is that `task` runs, or `thread` where there is none; None when nowhere."""
    if task is None:
        return stack_of_thread(thread)
    if task.done():
        return None
    loop = task.get_loop()
    if asyncio.current_task(loop) is task:
        # It computes: its thread knows more than the coroutine does.
        ident = getattr(loop, "_thread_id", None)
        for other in threading.enumerate():
            if other.ident == ident:
                return stack_of_thread(other)
    return stack_of_task(task)


def where_text(trace: TracebackType | None) -> str:
    """`FILE:LINE`, of plugin code where there is any."""
    return place_of(trace) or "an unknown place"


def stack_text(trace: TracebackType | None) -> str:
    """The plugin's frames as a traceback shows them, the outermost first, without its head.

    Where none is the plugin's, where the work is all the same.
    """
    _head, *frames = format_error(hang_of(trace)).splitlines()
    return "\n".join(frames[:-1]) or f"  {where_text(trace)}"
