"""Ends plugin code that does not end by itself, and says where it is."""

from __future__ import annotations

import ctypes
import sys
import threading
import traceback


class HookInterrupted(BaseException):
    """Raised inside plugin code that did not end in time; no `except Exception` catches it."""


def interrupt(thread: threading.Thread) -> None:
    """Raises HookInterrupted in a thread, as soon as it executes Python code again."""
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(HookInterrupted))


def position(thread: threading.Thread) -> str | None:
    """`file:line` of the innermost frame of a thread; None when it has ended."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return None
    last = traceback.extract_stack(frame)[-1]
    return f"{last.filename}:{last.lineno}"
