"""Whether something newer waits for the attempt that is being made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from devserver.core.changes import ChangeBatch
from devserver.core.source import PluginSource
from devserver.reload.queue import Command, FilesChanged, ReloadQueue

_PATIENCE = 0.5
"""Seconds that a trial gets in any case: saves without an end do not keep all of them from
ending, and one that passes has passed long before."""

_PATIENCE_WITH_REQUESTS = 2.0
"""Seconds that requests in flight get in any case, for the same reason."""
_PATIENCE_WITH_HOOKS = 5.0
"""Seconds that an attempt gets before a hook is given up for something else. Newer content of
its own need not wait that long."""


class Superseded(Exception):
    """An attempt has made way before it touched anything: what was tried is neither good nor
    bad."""


class Stance(StrEnum):
    """What an attempt makes way for, apart from newer content of its own."""

    YIELDING = "yielding"
    """Whatever waits, when the trial or, after a longer time, a hook does not end."""
    ASKED = "asked"
    """Whatever waits, as long as only the trial runs, which touches nothing."""
    STANDING = "standing"
    """Nothing else: it has made way often enough, or all others build on it."""
    DECIDED = "decided"
    """Not even newer content: it is about what was, and what is newer comes after it."""
    RETRYING = "retrying"
    """Whatever waits, at any time: nobody has asked for it."""


class Overtaking:
    """Compares what waits in the queue with what is being tried, by content. For the thread of
    the reloader alone."""

    def __init__(self, queue: ReloadQueue) -> None:
        self._queue = queue
        self._sources: tuple[PluginSource, ...] = ()
        self._begun = self._drain_begun = 0.0
        self._looked_at = -1
        self._others_wait = False
        self.stance = Stance.YIELDING
        self.by_newer = False
        """Whether what is (or was last) being tried has been saved anew."""
        self.gave_up = False
        """Whether a hook of it, or the wait for requests in flight, was given up, though it might
        have ended in time."""

    def begin(self, sources: Sequence[PluginSource]) -> None:
        """This content is tried from now on."""
        self._sources = tuple(sources)
        self._begun = time.monotonic()
        self._looked_at = -1
        self.by_newer = self._others_wait = self.gave_up = False
        self._drain_begun = 0.0

    def ends_trial(self) -> bool:
        """Whether the trial is to end: something waits, and it had its chance to end by itself."""
        if time.monotonic() - self._begun < _PATIENCE or self.stance is Stance.DECIDED:
            return False
        self._look()
        return self.by_newer or (self._others_wait and self.stance is not Stance.STANDING)

    def ends_hook(self) -> bool:
        """Whether a hook that takes long is to be given up."""
        if self.stance is Stance.DECIDED:
            return False
        self._look()
        match self.stance:
            case Stance.RETRYING:
                may = True
            case Stance.YIELDING:
                may = time.monotonic() - self._begun > _PATIENCE_WITH_HOOKS
            case _:
                may = False
        self.gave_up = self.by_newer or (self._others_wait and may)
        return self.gave_up

    def ends_drain(self) -> bool:
        """Whether the wait for requests in flight, which touches nothing, is to be given up; asked
        from its beginning on."""
        self._drain_begun = self._drain_begun or time.monotonic()
        return time.monotonic() - self._drain_begun > _PATIENCE_WITH_REQUESTS and self.ends_hook()

    def _look(self) -> None:
        if self._queue.changes == self._looked_at:
            return
        self._looked_at, waiting = self._queue.waiting()
        self.by_newer = any(self._is_newer(command) for command in waiting)
        self._others_wait = any(self._is_news(command) for command in waiting)

    def _is_newer(self, command: Command) -> bool:
        """True for a batch with other content of what is being tried."""
        if not isinstance(command, FilesChanged):
            return False
        paths = self._paths_of(command.batch)
        return any(_differs(path, source) for path in paths for source in self._sources)

    def _is_news(self, command: Command) -> bool:
        """False for a batch that tells only of what is being tried."""
        if not isinstance(command, FilesChanged) or command.batch.complete:
            return True
        known = {file.path for source in self._sources for file in source.files.values()}
        return not command.batch.paths <= known

    def _paths_of(self, batch: ChangeBatch) -> frozenset[Path]:
        """The files that it may have changed."""
        if not batch.complete:
            return batch.paths
        known = (file.path for source in self._sources for file in source.files.values())
        return batch.paths | frozenset(known)


def _differs(path: Path, source: PluginSource) -> bool:
    """True when the file is part of the plugin and not as it is there."""
    known = next((f for f in source.files.values() if f.path == path), None)
    if known is None:
        inside = not source.single_file and path.is_relative_to(source.root)
        return inside and path.suffix == ".py" and path.is_file()
    try:
        return path.read_bytes() != known.content
    except OSError:
        return True
