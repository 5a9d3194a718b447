"""config/main.yaml while the host runs."""

from __future__ import annotations

from pathlib import Path

from devserver.core.errors import DevServerError
from devserver.reload.health_watch import Tell
from devserver.runtime.host_settings import MAIN_FILE, put_off, read_host_settings


class MainFile:
    """Tells what a save of the file comes to. Whoever can take other values while the host runs
    (tokens, severities) reads them by itself.

    Raises DevServerError when the file is invalid from the beginning.
    """

    def __init__(self, root: Path, *, tell: Tell) -> None:
        self._root = root
        self._tell = tell
        self.at_start = self._last = read_host_settings(root)

    def saved(self) -> None:
        """It has changed."""
        try:
            now = read_host_settings(self._root)
        except DevServerError as error:
            self._tell("error", f"{error.message}; nothing of the file changes", hint=error.hint)
            return
        if now == self._last:
            return
        self._last = now
        waiting = ", ".join(put_off(self.at_start, now))
        told = f"{waiting}: from the next start on" if waiting else "in force"
        self._tell("warning" if waiting else "info", f"{MAIN_FILE}: {told}")
