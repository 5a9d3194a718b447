"""Watches a project's files and tells which changed, once they are quiet."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from devserver.core.changes import ChangeBatch
from devserver.core.debounce import Debouncer
from devserver.core.settings import WatchSettings
from devserver.reload.notify import step_for
from devserver.reload.observer import Observer
from devserver.reload.repositories import Repositories
from devserver.reload.tree import Tree

SETTLE_SECONDS = 0.25
"""This long after the last event all files are compared with what was told."""
IDLE_COMPARE_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_POLL_SECONDS = (0.25, 2.0)
_POLL_SHARE = 50
"""A round of polling takes at most one part in this many of the time."""
_FLOOD = 200
"""So many events at once may have been more than the system's queue holds."""


class Watcher:
    """Tells of every change of the files that `settings` name, and of the settings file.

    `on_batch` is called on the thread `watcher` with absolute paths below `project_root`, as
    that is spelt; a folder reached through a symlink keeps the link's name. It must be quick and
    must not raise. A batch says that paths changed, never how. `on_problem` gets a message and a
    hint when watching works less well than asked for.

    Events are what is quick, comparison is what is certain: what no event told of (a full
    queue, a folder that was filled before it had a watch) is found soon after things are quiet,
    and every half minute anyway. While git writes files, nothing is told: a batch is never half
    of a checkout.
    """

    def __init__(
        self,
        project_root: Path,
        settings: WatchSettings,
        on_batch: Callable[[ChangeBatch], None],
        on_problem: Callable[[str, str | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = project_root
        self._settings = settings
        self._on_batch = on_batch
        self._clock = clock
        self._wake = threading.Event()
        self._applied: deque[WatchSettings] = deque()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._tree = Tree(project_root, settings.path_filter())
        self._repositories = Repositories(on_problem)
        self._debouncer = _debouncer_for(settings)
        self._observer = Observer(wake=self._wake, is_due=self._is_moved, on_problem=on_problem)
        self._last_event = self._compared = self._next_look = self._rewatch_from = clock()
        self._compare_now = False

    @property
    def mode(self) -> str:
        """How changes are noticed: `inotify` (elsewhere than on Linux `native`) or `polling`."""
        return self._observer.mode

    @property
    def folders(self) -> frozenset[str]:
        """The real paths of the folders that are watched."""
        return self._observer.watched or frozenset()

    @property
    def watching(self) -> bool:
        """True while the files that the settings name are watched."""
        return self._settings.enabled and self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begins to watch: whatever changes after the return is told."""
        self._tree.take_as_known()
        self._observer.configure(self._settings, self._tree.folders)
        self._compare_now = True
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, within a second; changes that are not told by then are not told."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def apply(self, settings: WatchSettings) -> None:
        """Changes the settings, from any thread. No change is lost meanwhile; files that newly
        count are told as changed."""
        self._applied.append(settings)
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._add_real(self._observer.wait(self._seconds_to_wait()))
                self._wake.clear()
                if self._applied:
                    self._adopt(self._applied.popleft())
                self._compare_if_due()
                self._deliver()
                self._rewatch_if_needed()
        finally:
            self._observer.close()

    def _seconds_to_wait(self) -> float:
        """Until there is something to do even if nothing happens."""
        if self._applied or self._compare_now or self._stopping:
            return 0.0
        moments = [self._next_comparison()]
        if self._debouncer.deadline is not None:
            moments.append(self._debouncer.deadline)
        if self._needs_rewatch():
            moments.append(self._rewatch_from)
        return max(0.0, min(moments) - self._clock())

    def _next_comparison(self) -> float:
        if self._observer.polling:
            shortest, longest = _POLL_SECONDS
            pause = self._tree.scan_seconds * _POLL_SHARE
            regular = self._compared + min(max(pause, shortest), longest)
            # The last look before a batch leaves sees whether more is being written.
            deadline = self._debouncer.deadline
            return regular if deadline is None else min(regular, deadline)
        idle = self._compared + IDLE_COMPARE_SECONDS
        settled = self._last_event + SETTLE_SECONDS
        return min(idle, settled) if settled > self._compared else idle

    def _add_real(self, real_paths: set[str]) -> None:
        """Takes in what the system reported, by real paths."""
        if len(real_paths) > _FLOOD:
            self._last_event = self._clock()
        changed: set[str] = set()
        folders: set[str] = set()
        for real_path in real_paths:
            for path in self._tree.spellings(real_path):
                if self._tree.accepts(path):
                    changed.add(path)
                elif self._tree.is_folder(path):
                    folders.add(path)
        for folder in folders:
            if not any(folder.startswith(f"{other}/") for other in folders):
                changed |= self._tree.compare_folder(folder)
        if folders:
            self._last_event = self._clock()
        self._add(changed)

    def _add(self, paths: Iterable[str]) -> None:
        """Takes in changed files, by paths from the project root."""
        changed = frozenset(paths)
        if not changed:
            return
        # Noted before anybody reads them: what is written later differs from what is noted.
        self._tree.note(changed, doubt_fresh=self._observer.polling)
        self._last_event = self._clock()
        self._debouncer.add((self._root / path for path in changed), self._last_event)

    def _compare_if_due(self) -> None:
        if not self._compare_now and self._clock() < self._next_comparison():
            return
        self._compare_now = False
        self._compared = self._clock()
        self._add(self._tree.compare())

    def _deliver(self) -> None:
        now, deadline = self._clock(), self._debouncer.deadline
        if deadline is None or now < deadline:
            return
        waiting = self._debouncer.pending
        if self._repositories.are_busy(waiting, now=now, last_change=self._last_event):
            self._debouncer.postpone(now)
            return
        batch = self._debouncer.take(now)
        if batch is not None:
            self._on_batch(batch)

    def _needs_rewatch(self) -> bool:
        if self._observer.polling:
            return False
        return self._tree.exchanged or self._tree.folders != self._observer.watched

    def _rewatch_if_needed(self) -> None:
        """Sets watches for the folders that exist now, and looks at what happened meanwhile.

        Where that is much work, a pause after it keeps a flood of new folders cheap."""
        began = self._clock()
        if began < self._rewatch_from or not self._needs_rewatch():
            return
        self._tree.exchanged = False
        self._observer.watch(self._tree.folders)
        ended = self._clock()
        self._rewatch_from = ended + 10 * (ended - began + self._tree.scan_seconds)
        self._compare_now = True

    def _is_moved(self) -> bool:
        """Asked while waiting for events: did a folder change places, which none tells of?"""
        now = self._clock()
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        if not self._tree.has_moved():
            return False
        self._compare_now = True
        return True

    def _adopt(self, settings: WatchSettings) -> None:
        if settings == self._settings:
            return
        accepts, waiting = settings.path_filter(), self._debouncer.pending
        self._settings = settings
        self._tree.adopt(accepts)
        self._debouncer = _debouncer_for(settings)
        self._add(p for p in self._relative(waiting) if accepts.accepts(p))
        self._add(self._tree.compare())
        self._observer.configure(settings, self._tree.folders)
        self._compare_now = True

    def _relative(self, paths: Iterable[Path]) -> list[str]:
        return [path.relative_to(self._root).as_posix() for path in paths]


def _debouncer_for(settings: WatchSettings) -> Debouncer:
    quiet = settings.debounce_ms / 1000
    return Debouncer(quiet, waited=step_for(quiet))
