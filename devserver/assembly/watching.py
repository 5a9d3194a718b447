"""The watch of a host over its project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from devserver.core.changes import ChangeBatch
from devserver.core.patterns import PathFilter
from devserver.core.settings import Settings, WatchSettings
from devserver.reload.coverage import missed_files
from devserver.reload.inotify import usage
from devserver.reload.recorder import Recorder
from devserver.reload.watch_log import WatchLog
from devserver.reload.watcher import Watcher
from devserver.runtime.project import Project

_SPECIAL, _ESCAPED = re.compile(r"[][*?{},!\\]"), r"\\\g<0>"

_TEST_SECONDS = 5.0
"""So long a file of our own is waited for."""


def _shown(folder: str, root: Path) -> str:
    """Relative to the project, where it lies in it."""
    path = Path(folder)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else folder


class Watching:
    """Watches from `start` on, unless it is `off`. `settings()` gives those in force;
    `on_batch` gets what was saved, `listed()` gives further files that are watched."""

    def __init__(
        self,
        project: Project,
        *,
        off: bool,
        settings: Callable[[], Settings],
        recorder: Recorder,
        on_batch: Callable[[ChangeBatch], None],
        listed: Callable[[], Iterable[str]],
    ) -> None:
        self._project = project
        self._off = off
        self._settings = settings
        self._recorder = recorder
        self._log = WatchLog(project.root, on_batch)
        self._listed = listed
        self._watcher: Watcher | None = None

    @property
    def mode(self) -> str:
        """native, polling or off."""
        return "off" if self._watcher is None else self._watcher.mode

    def start(self) -> None:
        if self._off:
            return
        self._watcher = Watcher(
            self._project.root,
            self._in_force(),
            on_batch=self._log.pass_on,
            on_problem=self.tell,
        )
        self._watcher.start()

    def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()

    def apply(self) -> None:
        """The settings have changed, or the files that are `listed`."""
        if self._watcher is not None:
            self._watcher.apply(self._in_force())

    def _in_force(self) -> WatchSettings:
        settings = self._settings().watch_in_force
        listed = tuple(f"/{_SPECIAL.sub(_ESCAPED, path)}" for path in sorted(self._listed()))
        return settings.model_copy(update={"patterns": (*settings.patterns, *listed)})

    def settings_outside(self) -> WatchSettings:
        """How plugins outside of the project are watched."""
        settings = self._settings().watch_in_force
        return settings.model_copy(update={"enabled": False}) if self._off else settings

    def status(self) -> dict[str, Any]:
        """`{watching, mode}` as they are this moment."""
        watches = self._watcher is not None and self._watcher.watching
        return {"watching": watches and self._settings().watches, "mode": self.mode}

    def report(self) -> dict[str, Any]:
        """`{watching, mode, off, debounce_ms, force_polling, patterns, ignore, folders, changes,
        missed, inotify}`: `folders` have their real paths, `changes` are the batches that were
        told last, the newest first, `missed` the files of plugins that no pattern watches."""
        settings, root = self._in_force(), self._project.root.resolve()
        folders = () if self._watcher is None else self._watcher.folders
        return {
            **self.status(),
            "off": self._off,
            "debounce_ms": settings.debounce_ms,
            "force_polling": settings.force_polling,
            "patterns": list(settings.patterns),
            "ignore": list(settings.ignore),
            "folders": sorted(_shown(folder, root) for folder in folders),
            "changes": self._log.recent(),
            "missed": missed_files(self._project, settings.path_filter()),
            "inotify": usage(),
        }

    def test(self) -> dict[str, Any]:
        """Writes a file of its own where saves are watched, and measures until it is seen."""
        accepts = self._in_force().path_filter()
        if not self.status()["watching"]:
            accepts = PathFilter((), ())
        return self._log.try_out(accepts, _TEST_SECONDS).to_json()

    def tell(self, message: str, hint: str | None) -> None:
        """Something is wrong with the watch."""
        self._recorder.notice("warning", message, hint=hint)
