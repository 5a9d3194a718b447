"""File events of the operating system."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from watchfiles._rust_notify import RustNotify

NAME = "inotify" if sys.platform == "linux" else "native"
_MAX_STEP = 0.05
_GROUP_STEPS = 10


def step_for(quiet: float) -> float:
    """The seconds of quiet after which the source reports, given those that are wanted.

    It looks up once a step whether to stop, so a step is short whatever is wanted."""
    return min(quiet, _MAX_STEP)


class FileEvents:
    """Events of what lies directly in some folders.

    Every folder has a watch of its own: a recursive one follows symlinks to wherever they lead,
    gives up at the first folder that may not be read, and does not tell when the system's limit
    of watches keeps it from a new folder. Raises OSError (FileNotFoundError for a folder that is
    gone) or RuntimeError where there can be no events, when made or in `wait`.
    """

    def __init__(
        self, folders: Iterable[str], *, step: float, interrupted: Callable[[], bool]
    ) -> None:
        self._step_ms = max(1, round(step * 1000))
        self._interruption = _Interruption(interrupted)
        self._source = RustNotify(
            watch_paths=list(folders),
            debug=False,
            force_polling=False,
            poll_delay_ms=0,
            recursive=False,
            ignore_permission_denied=False,
        )

    def wait(self, timeout: float) -> set[str]:
        """The paths that changed, as soon as they are quiet for a step (or after ten, so that
        noise in one file does not hold up another).

        Empty after `timeout` seconds and when `interrupted`, which is called every step, says
        True; whatever came in at that moment is dropped then.
        """
        timeout_ms = max(1, round(timeout * 1000))
        group_ms = self._step_ms * _GROUP_STEPS
        found = self._source.watch(group_ms, self._step_ms, timeout_ms, self._interruption)
        return set() if isinstance(found, str) else {path for _, path in found}

    def close(self) -> None:
        """Ends the watches."""
        self._source.close()


class _Interruption:
    """A question in the shape of an event."""

    def __init__(self, question: Callable[[], bool]) -> None:
        self.is_set = question
