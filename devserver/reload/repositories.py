"""Whether git is writing a project's files at this moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

_QUIET_SECONDS = 10.0
_LONGEST_SECONDS = 60.0
_STEP_SECONDS = 1.0
_STEPS = ("rebase-merge", "rebase-apply", "sequencer")
"""What is there from the first commit of a rebase, an am or a pick of several to the last."""


class Repositories:
    """Looks for the locks of every repository that files belong to: one around the project, the
    project's own, or a plugin's; `.git` may be a file, as in worktrees and submodules.

    git keeps `index.lock` while it writes files, and nobody can see how far it is. One that a
    crash left behind holds nothing up for long: it counts no more when nothing has changed for
    ten seconds, or after a minute. `on_stale` is called then, once, with a message and a hint.
    Between two commits of a rebase there is no lock, so for a second the next one is waited
    for; a rebase that stopped for a conflict is the developer's to edit.
    """

    def __init__(self, on_stale: Callable[[str, str | None], None]) -> None:
        self._on_stale = on_stale
        self._since: dict[Path, tuple[tuple[int, int], float]] = {}
        self._stale: dict[Path, tuple[int, int]] = {}

    def are_busy(self, paths: Iterable[Path], *, now: float, last_change: float) -> bool:
        """True while git writes in one of the repositories that hold `paths`. `now` and
        `last_change`, when a file was last seen to change, are monotonic seconds."""
        folders = {path.parent for path in paths}
        found = {git for folder in folders if (git := _git_folder(folder)) is not None}
        locked = [self._is_locked(git / "index.lock", now, last_change) for git in found]
        return any(locked) or any(_is_stepping(git) for git in found)

    def _is_locked(self, lock: Path, now: float, last_change: float) -> bool:
        try:
            found = lock.stat()
        except OSError:
            self._since.pop(lock, None)
            self._stale.pop(lock, None)
            return False
        identity = (found.st_ino, found.st_mtime_ns)
        if self._stale.get(lock) == identity:
            return False
        seen, since = self._since.get(lock, (None, now))
        if seen != identity:
            since = now
            self._since[lock] = (identity, now)
        quiet = now - max(since, last_change)
        age = max(now - since, time.time() - found.st_mtime)
        if quiet < _QUIET_SECONDS and age < _LONGEST_SECONDS:
            return True
        self._stale[lock] = identity
        self._on_stale(
            f"git's lock {lock} is {age:.0f} s old and no longer waited for",
            "delete the file when no git command is at work: a crash left it behind",
        )
        return False


def _is_stepping(git: Path) -> bool:
    """True within a second after git began or ended a commit of several."""
    now = time.time()
    return any(0 <= now - changed < _STEP_SECONDS for changed in _moments(git))


def _moments(git: Path) -> list[float]:
    """When git last noted how far it is."""
    notes = [git / step / name for step in _STEPS for name in ("", "done", "next", "todo")]
    return [moment for note in notes if (moment := _changed(note)) is not None]


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _git_folder(folder: Path) -> Path | None:
    """Where the repository around a folder, which may be gone by now, keeps its own files."""
    real = folder.resolve()
    for place in (real, *real.parents):
        entry = place / ".git"
        if entry.is_dir():
            return entry
        try:  # a linked worktree or a submodule: `gitdir: PATH`
            text = entry.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return place / text.partition(":")[2].strip()
    return None
