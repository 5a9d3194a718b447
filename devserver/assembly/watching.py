"""The watch of a host over its project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from devserver.core.changes import ChangeBatch
from devserver.core.settings import Settings, WatchSettings
from devserver.reload.control import Control
from devserver.reload.recorder import Recorder
from devserver.reload.watcher import Watcher
from devserver.runtime.project import Project

_SPECIAL, _ESCAPED = re.compile(r"[][*?{},!\\]"), r"\\\g<0>"


class Watching:
    """Watches from `start` on, unless it is `off`. `settings()` gives those in force;
    `on_batch` gets what was saved, `listed()` gives further files that are watched."""

    def __init__(
        self,
        project: Project,
        *,
        off: bool,
        settings: Callable[[], Settings],
        control: Control,
        recorder: Recorder,
        on_batch: Callable[[ChangeBatch], None],
        listed: Callable[[], Iterable[str]],
    ) -> None:
        self._project = project
        self._off = off
        self._settings = settings
        self._control = control
        self._recorder = recorder
        self._on_batch = on_batch
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
            on_batch=self._on_batch,
            on_problem=self.tell,
        )
        self._watcher.start()
        self._control.watch = self._shown

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

    def tell(self, message: str, hint: str | None) -> None:
        """Something is wrong with the watch."""
        self._recorder.notice("warning", message, hint=hint)

    def _shown(self) -> dict[str, Any]:
        is_watched = self._watcher is not None and self._watcher.watching
        return {"watching": is_watched and self._settings().watches, "mode": self.mode}
