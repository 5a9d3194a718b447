"""Runs a check of somebody else's for a limited time."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_GRACE = 0.2


class TookTooLong(Exception):
    """The call did not end in time. `stuck` is True when its thread could not be ended either."""

    def __init__(self, seconds: float, *, stuck: bool) -> None:
        super().__init__(f"it did not end within {seconds:g} s")
        self.stuck = stuck


class _Stop(BaseException):
    """Raised inside a call that takes too long."""


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.result: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result.append(self._function())
        except BaseException as error:  # noqa: BLE001 - foreign code may raise or exit; the caller tells
            self.error = error


def run_within(function: Callable[[], T], seconds: float, *, name: str) -> T:
    """What `function` gives, run in a thread of its own.

    Raises what it raises, as RuntimeError what is no Exception (`sys.exit()`), and TookTooLong:
    then the call was interrupted or, stuck outside of Python, left behind as a daemon thread.
    """
    call = _Call(function)
    thread = threading.Thread(target=call.run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stop)
        )
        thread.join(_GRACE)
        raise TookTooLong(seconds, stuck=thread.is_alive())
    if call.error is not None:
        if isinstance(call.error, Exception):
            raise call.error
        told = RuntimeError(f"{type(call.error).__name__}: {call.error}")
        raise told.with_traceback(call.error.__traceback__) from call.error
    return call.result[0]
