"""The third end of a transaction: the new generations stay beside the old ones."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import MappingProxyType

from devserver.core.outcome import StateReport
from devserver.reload.ending import Contained, let_in
from devserver.reload.progress import Ended, Progress


class Beside:
    """What `Commit` is for a reload, for a canary: nothing is published, and the old generations
    go on as after a roll back; the new ones are kept, with a copy of their state."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._contained = Contained("beside the old version", progress.notes)

    def prepare(self) -> None:
        """The new generations can be asked, and see each other."""
        generations = [n.generation for n in self._progress.new.values()]
        company = MappingProxyType({g.key: g for g in generations})
        for generation in generations:
            generation.loaded_at = datetime.now(UTC)
            generation.live_since = time.monotonic()
            generation.company = company
            generation.host.serve_beside()

    def publish(self) -> None:
        """What they have patched is as if they had not."""
        for lifecycle in self._progress.new.values():
            self._progress.system.patches.suspend(lifecycle.generation)

    def finish(self) -> Ended:
        """The old generations go on in the interpreter as it was, and those who wait are let
        in."""
        progress = self._progress
        for old in progress.old:
            self._contained.run(progress.system.patches.resume, old)
            self._contained.run(old.host.resume_tasks)
        for lifecycle in reversed(progress.new.values()):
            progress.notes += self._contained.run(lifecycle.step_aside) or ()
        generations = tuple(n.generation for n in progress.new.values())
        for generation in generations:
            self._contained.run(progress.system.live.watch, generation)
        self._contained.run(let_in, progress, replaced=False)
        return Ended(
            committed=False,
            beside=generations,
            state=StateReport.joined(progress.reports.values()),
            notes=progress.notes,
        )
