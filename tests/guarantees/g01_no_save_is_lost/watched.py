"""A project in a temporary folder with a watcher alone: what it tells."""

from __future__ import annotations

import os
import queue
from pathlib import Path
from typing import Any

from devserver.core.changes import ChangeBatch
from devserver.core.settings import WatchSettings
from devserver.reload.watcher import Watcher

PATIENCE = 15.0
"""Seconds until a test gives up; a change is told within milliseconds."""


class Project:
    """A project in a temporary folder and what its watcher told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.batches: queue.Queue[ChangeBatch] = queue.Queue()
        self.problems: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.watcher: Watcher | None = None

    def start(self, **settings: Any) -> Watcher:
        self.watcher = Watcher(
            self.root,
            WatchSettings(**settings),
            self.batches.put,
            lambda message, hint: self.problems.put((message, hint)),
        )
        self.watcher.start()
        return self.watcher

    def write(self, path: str, text: str = "text") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def replace(self, path: str, text: str = "text") -> None:
        """Saves by writing beside the watched folders and renaming over the file."""
        beside = self.root / "beside.tmp"
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, self.root / path)

    def next(self) -> set[str]:
        """The paths of the next batch, from the project root."""
        batch = self.batches.get(timeout=PATIENCE)
        return {path.relative_to(self.root).as_posix() for path in batch.paths}

    def wait_for(self, *paths: str) -> set[str]:
        """Waits until all of `paths` were told; gives everything that was."""
        told: set[str] = set()
        while not set(paths) <= told:
            told |= self.next()
        return told

    def told_until(self, marker: str) -> set[str]:
        """Everything that is told until a save of `marker` is, without it."""
        self.write(marker, "marker")
        return self.wait_for(marker) - {marker}
