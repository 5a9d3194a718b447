"""What nobody caught in a plugin's threads and finalisers.

The interpreter itself would print it with lines from the disk, where another version may be.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.tracebacks import plugin_of


class UncaughtErrors:
    """From `install` to `uninstall` gives `report(plugin, place, error)` what plugin code raised;
    all else goes where it went before."""

    def __init__(self, report: Callable[[str, str, BaseException], object]) -> None:
        self._report = report
        self._before: tuple[Any, Any] = (threading.excepthook, sys.unraisablehook)

    def install(self) -> None:
        self._before = threading.excepthook, sys.unraisablehook
        threading.excepthook = self._in_thread
        sys.unraisablehook = self._unraisable

    def uninstall(self) -> None:
        """Who has put a hook of their own on top keeps it."""
        in_thread, unraisable = self._before
        if threading.excepthook == self._in_thread:
            threading.excepthook = in_thread
        if sys.unraisablehook == self._unraisable:
            sys.unraisablehook = unraisable

    def _in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        name = "a thread" if arguments.thread is None else f"thread {arguments.thread.name!r}"
        silent = arguments.exc_type is SystemExit
        if silent or not self._tell(name, arguments.exc_value):
            self._before[0](arguments)

    def _unraisable(self, arguments: sys.UnraisableHookArgs) -> None:
        if arguments.exc_type is HookInterrupted:
            return  # ours; it is sent again
        name = getattr(arguments.object, "__qualname__", None) or "a finaliser"
        if not self._tell(str(name), arguments.exc_value):
            self._before[1](arguments)

    def _tell(self, place: str, error: BaseException | None) -> bool:
        plugin = None if error is None else plugin_of(error)
        if plugin is None or error is None:
            return False
        self._report(plugin, place, error)
        return True
