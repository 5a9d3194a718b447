"""What becomes of batches of saved files, and of those that look like half of something."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, cast

from devserver.core.changes import ChangeBatch
from devserver.core.outcome import Outcome
from devserver.core.settings import Settings
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.cause import Cause
from devserver.reload.intake import Intake
from devserver.reload.judge import NOT_YET, Judge
from devserver.reload.pieces import looks_unfinished
from devserver.reload.queue import FilesChanged, Queued
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem

_PATIENCE = 0.1  # seconds that a batch is put off which looks like the first half of something
_LONGEST_PATIENCE = 1.0  # seconds after which it is judged as it is, whatever still arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """A batch that was put off at `first` and is judged at `due`, or together with the next."""

    queued: Queued
    first: float
    due: float


class Saves:
    """Judges batches; at most one is put off. `settings()` gives those in force; plugins that are
    `followed` are reloaded where others are not.

    Used by the reloader's thread alone.
    """

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        catalog: Catalog,
        intake: Intake,
        judge: Judge,
        followed: Container[str],
        settings: Callable[[], Settings],
    ) -> None:
        self._project = project
        self._system = system
        self._catalog = catalog
        self._intake = intake
        self._judge = judge
        self._followed = followed
        self._settings = settings
        self._looked_at: Mapping[str, Reading] = {}
        self.put_off: PutOff | None = None

    def next_time(self) -> float | None:
        """The monotonic second at which what was put off is due."""
        return None if self.put_off is None else self.put_off.due

    def put_off_until_the_next(self, queued: Queued) -> None:
        """There is newer content already: both are judged as one."""
        now = time.monotonic()
        self.put_off = PutOff(queued=queued, first=now, due=now)

    def rescan(self, arrived: float) -> Any:
        """Judges whatever is on disk now."""
        batch = ChangeBatch(paths=frozenset(), first_seen=arrived, complete=True)
        return self._judge_batch(batch, arrived, patient=False)

    def judge(self, queued: Queued) -> Any:
        """Judges a batch, together with one that was put off."""
        first, due = time.monotonic(), False
        if self.put_off is not None:
            first = self.put_off.first
            if self.put_off.queued is queued:
                due = not self._is_still_written()
            else:
                queued.join(self.put_off.queued)
        self.put_off = None
        batch = cast(FilesChanged, queued.command).batch
        patient = not due and time.monotonic() - first < _LONGEST_PATIENCE
        answer = self._judge_batch(batch, queued.arrived, patient=patient)
        if answer is NOT_YET:
            now = time.monotonic()
            self.put_off = PutOff(queued=queued, first=first, due=now + _PATIENCE)
        else:
            self._looked_at = {}
        return answer

    def _to_be_reloaded(self, changed: dict[str, Reading]) -> dict[str, Reading]:
        """Those that are reloaded without being asked for; the others are listed as pending."""
        if self._settings().reloads_automatically:
            return changed
        left = {key: r for key, r in changed.items() if key not in self._followed}
        self._intake.list_as_pending(left)
        return {key: r for key, r in changed.items() if key not in left}

    def _is_still_written(self) -> bool:
        """True when what was put off has changed since, though no batch told of it yet."""
        comparable = {k: r for k, r in self._looked_at.items() if not r.problems}
        return any(not self._catalog.read(k).same_as(r) for k, r in comparable.items())

    def _judge_batch(self, batch: ChangeBatch, arrived: float, *, patient: bool) -> Any:
        """The outcome, None when nothing was to be done, or NOT_YET while `patient` when it
        looks like the first half of something: a plugin that vanished may be back in a moment,
        and what is refused may be completed."""
        changed = self._intake.changed(batch)
        refused: Outcome | None = None
        if self._intake.has_unusable_files:
            if patient:
                return NOT_YET
            refused = self._intake.tell_unusable_files(arrived)
        if not changed:
            return refused
        paths = tuple(sorted(self._project.relative(p) for p in batch.paths))
        changed = self._to_be_reloaded(changed)
        if not changed:
            return refused
        self._looked_at = changed if patient else {}
        view = self._system.registry.view
        if patient and any(looks_unfinished(r, view.generation(k)) for k, r in changed.items()):
            return NOT_YET
        cause = Cause(trigger="file", arrived=arrived, paths=paths)
        return self._judge.judge(changed, cause, patient=patient)
