"""What the watch told lately, and a file of its own to see whether it tells."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from devserver.core.changes import ChangeBatch
from devserver.core.patterns import PathFilter

_KEPT = 50  # batches
_SHOWN = 20  # paths of a batch
_PLACES = ("plugins/_{}.py", "plugins/_{}/plugin.py", "config/_{}.yaml", "validators/_{}.py")
"""Where a file of ours is watched, as the settings come, and is nobody's: names in plugins/ that
begin with `_` are no plugins."""


class WatchReport(Protocol):
    """The watch over a project's files."""

    def status(self) -> dict[str, Any]:
        """`{watching, mode}` as they are this moment."""
        ...

    def report(self) -> dict[str, Any]:
        """What is watched, and what was seen lately."""
        ...

    def test(self) -> dict[str, Any]:
        """Writes a file of its own where saves are watched, and measures until it is seen."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`path` is relative to the project, None where no pattern watches a place for a file of
    ours. `ms` is the time from the write to the batch that tells of it, None when none came in
    `timeout` seconds. `problem` is why nothing could be written."""

    path: str | None
    timeout: float
    ms: float | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "seen": self.ms is not None,
            "ms": None if self.ms is None else round(self.ms, 3),
            "timeout": self.timeout,
            "problem": self.problem,
        }


class WatchLog:
    """Stands between a watch and `on_batch`: remembers batches, and keeps files of its own out of
    them. Calls may come from any thread."""

    def __init__(self, root: Path, on_batch: Callable[[ChangeBatch], None]) -> None:
        self._root = root
        self._on_batch = on_batch
        self._batches: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._waiting: dict[Path, threading.Event] = {}
        self._one_at_a_time = threading.Lock()

    def pass_on(self, batch: ChangeBatch) -> None:
        """Takes a batch of the watch."""
        own = frozenset(path for path in batch.paths if path in self._waiting)
        for path in own:
            self._waiting[path].set()
        rest = replace(batch, paths=batch.paths - own)
        if rest.paths or rest.complete:
            self._remember(rest)
            self._on_batch(rest)

    def recent(self) -> list[dict[str, Any]]:
        """`{time, paths, more}` of each batch, newest first; `time` is Unix seconds, `more` how
        many paths are left out."""
        return list(reversed(self._batches))

    def try_out(self, accepts: PathFilter, timeout: float) -> Trial:
        """Writes a file where saves are watched, and takes it away again. Nothing is reloaded."""
        name = f"watch_test_{secrets.token_hex(6)}"
        with self._one_at_a_time:
            for place in _PLACES:
                relative = place.format(name)
                if accepts.accepts(relative):
                    return self._try(relative, timeout)
        return Trial(path=None, timeout=timeout)

    def _try(self, relative: str, timeout: float) -> Trial:
        path = self._root / relative
        made = list(_missing(path.parent))
        seen = self._waiting[path] = threading.Event()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("# written to see whether saves are noticed; may be deleted\n")
            ms = (time.perf_counter() - began) * 1000 if seen.wait(timeout) else None
            return Trial(path=relative, timeout=timeout, ms=ms)
        except OSError as error:
            problem = f"{relative} cannot be written: {error.strerror}"
            return Trial(path=relative, timeout=timeout, problem=problem)
        finally:
            # That it goes is told as well; its name stays known, and is never used again.
            with suppress(OSError):
                path.unlink()
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()

    def _remember(self, batch: ChangeBatch) -> None:
        names = sorted(map(self._relative, batch.paths))
        self._batches.append(
            {
                "time": time.time(),
                "paths": names[:_SHOWN],
                "more": max(0, len(names) - _SHOWN),
            }
        )

    def _relative(self, path: Path) -> str:
        return (
            path.relative_to(self._root).as_posix()
            if path.is_relative_to(self._root)
            else str(path)
        )


def _missing(folder: Path) -> Iterator[Path]:
    """Those that are to be made for it, the innermost first."""
    while not folder.exists():
        yield folder
        folder = folder.parent
