"""Ends plugin code that does not end by itself, and says where it is."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from devserver.runtime.modules import GenerationLoader

_DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy"})


class HookInterrupted(BaseException):
    """Raised inside plugin code that did not end in time; no `except Exception` catches it.
    As the cause of another error its traceback is the stack of the hang."""

    def __init__(self, text: str = "it was here when its time was up") -> None:
        super().__init__(text)


def interrupt(thread: threading.Thread) -> None:
    """Raises HookInterrupted in a thread, as soon as it executes Python code again."""
    if thread.is_alive():
        ident = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(HookInterrupted))


def hang_of(trace: TracebackType | None) -> HookInterrupted:
    """What stands for a hang as the cause of an error."""
    return HookInterrupted().with_traceback(trace)


def stack_of_thread(thread: threading.Thread) -> TracebackType | None:
    """Where a thread is now: the frames of plugin code, and where it has gone to from there.
    None when it has ended."""
    frames = []
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return _as_traceback(frames)


def stack_of_task(task: asyncio.Task[Any]) -> TracebackType | None:
    """Where a task waits, through the coroutines and tasks that it awaits: as for a thread."""
    return _as_traceback([*_suspended(task)][::-1])


def is_plugin_code(frame: FrameType) -> bool:
    """True for a frame of a plugin's module."""
    return isinstance(frame.f_globals.get("__loader__"), GenerationLoader)


def place_of(trace: TracebackType | None) -> str | None:
    """`file:line` of the innermost line of plugin code, else of the innermost one at all."""
    if trace is None:
        return None
    steps = [*traceback.walk_tb(trace)]
    own = [step for step in steps if is_plugin_code(step[0])]
    frame, line = (own or steps)[-1]
    return f"{frame.f_code.co_filename}:{line}"


def position(thread: threading.Thread) -> str | None:
    """`place_of` the thread's stack; None when it has ended."""
    return place_of(stack_of_thread(thread))


def is_debugged(trace: TracebackType | None) -> bool:
    """True when somebody looks at the plugin's innermost line in a debugger."""
    inner = False
    for frame, _ in traceback.walk_tb(trace):
        name = str(frame.f_globals.get("__name__", ""))
        inner = not is_plugin_code(frame) and (inner or name.partition(".")[0] in _DEBUGGERS)
    return inner


def _as_traceback(innermost_first: list[FrameType]) -> TracebackType | None:
    trace: TracebackType | None = None
    own = [frame for frame in innermost_first if is_plugin_code(frame)]
    for number, frame in enumerate(innermost_first):
        if own and number > innermost_first.index(own[0]) and frame not in own:
            continue
        trace = TracebackType(trace, frame, max(frame.f_lasti, 0), frame.f_lineno or 0)
    return trace


def _suspended(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """The frames of what a task awaits, outermost first."""
    seen: set[int] = set()
    step: Any = task.get_coro()
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        for kind in ("cr", "gi", "ag"):
            frame = getattr(step, f"{kind}_frame", None)
            if frame is not None:
                yield frame
        step = _awaited_by(step)
        if step is None or not _has_frame(step):
            waiter = getattr(task, "_fut_waiter", None)
            if not isinstance(waiter, asyncio.Task):
                return
            task, step = waiter, waiter.get_coro()


def _awaited_by(step: Any) -> Any:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        inner = getattr(step, name, None)
        if inner is not None:
            return inner
    return None


def _has_frame(step: Any) -> bool:
    return any(hasattr(step, f"{kind}_frame") for kind in ("cr", "gi", "ag"))
