"""Waiting for changes: by events of the system, or by polling where there are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from devserver.core.settings import WatchSettings
from devserver.reload.filesystems import mount_without_events
from devserver.reload.notify import NAME, FileEvents, step_for

POLLING = "polling"
_MAX_FAILURES = 3
_FAILURE_SECONDS = 60.0


class Observer:
    """Knows which folders are watched, and how. For one thread, but for `polling`.

    `is_due` is asked every few milliseconds whether to come back without a change; `on_problem`
    gets a message and a hint when events are given up for polling.
    """

    def __init__(
        self,
        *,
        wake: Event,
        is_due: Callable[[], bool],
        on_problem: Callable[[str, str | None], None],
    ) -> None:
        self._wake = wake
        self._is_due = is_due
        self._on_problem = on_problem
        self._events: FileEvents | None = None
        self._settings = WatchSettings()
        self._failures: list[float] = []
        self.polling = False
        self.watched: frozenset[str] | None = None
        """The folders that have a watch; None when the watches have to be set anew."""

    @property
    def mode(self) -> str:
        """`inotify` (elsewhere than on Linux `native`) or `polling`."""
        return POLLING if self.polling else NAME

    def configure(self, settings: WatchSettings, folders: frozenset[str]) -> None:
        """Puts settings in force and watches `folders`."""
        self._settings = settings
        self._failures.clear()
        if settings.force_polling == "auto":
            self.polling = mount_without_events(folders) is not None
        else:
            self.polling = settings.force_polling
        self.watch(folders)

    def watch(self, folders: frozenset[str]) -> None:
        """Watches exactly these folders. What changes meanwhile may go unnoticed."""
        old, self._events, self.watched = self._events, None, folders
        if not self.polling:
            try:
                self._events = FileEvents(
                    folders,
                    step=step_for(self._settings.debounce_ms / 1000),
                    interrupted=self._is_interrupted,
                )
            except FileNotFoundError:
                self.watched = None
            except (OSError, RuntimeError) as error:
                self._give_up_events(error)
        if old is not None:
            old.close()

    def wait(self, timeout: float) -> set[str]:
        """The paths that changed; empty after `timeout` seconds, when woken, or when due."""
        if self._events is None:
            self._wake.wait(max(timeout, 0.001))
            return set()
        try:
            return self._events.wait(timeout)
        except (OSError, RuntimeError) as error:
            self._note_failure(error)
            return set()

    def close(self) -> None:
        """Ends all watches."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _is_interrupted(self) -> bool:
        return self._wake.is_set() or self._is_due()

    def _note_failure(self, error: Exception) -> None:
        """One failure (such as an event of a file whose name is no text) makes the source
        useless, but a new one works; only when they keep coming events are given up."""
        now = time.monotonic()
        self._failures = [t for t in self._failures if now - t < _FAILURE_SECONDS] + [now]
        self.close()
        self.watched = None
        if len(self._failures) >= _MAX_FAILURES:
            self._give_up_events(error)

    def _give_up_events(self, error: Exception) -> None:
        self.polling = True
        self._on_problem(
            f"the system gives no file events ({_reason(error)}); changes are found by polling",
            "raise the limits fs.inotify.max_user_watches and fs.inotify.max_user_instances, or "
            "set hot_loading.watch.force_polling to true in config/hot-loading.yaml",
        )


def _reason(error: Exception) -> str:
    """The part of the message that is not about the source's inner workings."""
    return str(error).partition(" about [")[0].rstrip(".") or type(error).__name__
