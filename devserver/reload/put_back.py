"""Writes a version of a plugin back to where its files are."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """Paths below the plugin's folder: `written`, `removed`, and `left`, which are in no version.
    `saved` is the folder with what was replaced and is kept nowhere else. With a `problem`
    nothing was written, or not all."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    saved: Path | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "written": list(self.written),
            "removed": list(self.removed),
            "left": list(self.left),
            "saved": None if self.saved is None else str(self.saved),
            "problem": self.problem,
        }


def put_back(
    version: PluginSource,
    disk: PluginSource | None,
    *,
    kept: Mapping[str, Set[str]],
    backups: Path,
) -> PutBack:
    """Each file is written beside its place, then all are renamed into theirs. Files that the
    version does not have are removed where they were part of another version: `kept` has the
    digests of every file's kept contents. What has any other content is copied to `backups`
    before it is replaced, and is not removed.
    """
    if disk is not None and (disk.single_file, disk.root) != (version.single_file, version.root):
        shape = "a single file" if version.single_file else "a folder"
        return PutBack(problem=f"the version is {shape}, and what is on disk is not")
    there = {} if disk is None else disk.files
    changed = [f for p, f in version.files.items() if p not in there or there[p].digest != f.digest]
    others = [f for path, f in there.items() if path not in version.files]
    gone = [f for f in others if _is_kept(f, kept)]
    left = tuple(f.relative for f in others if f not in gone)
    replaced = [there[f.relative] for f in changed if f.relative in there]
    lost = [f for f in replaced if not _is_kept(f, kept)]
    try:
        saved = _save(version.name, lost, backups) if lost else None
        _write(changed)
        for file in gone:
            file.path.unlink(missing_ok=True)
            _remove_empty(file.path.parent, version.root)
    except OSError as error:
        return PutBack(left=left, problem=f"{error.filename}: {error.strerror or error}")
    return PutBack(
        written=tuple(f.relative for f in changed),
        removed=tuple(f.relative for f in gone),
        left=left,
        saved=saved,
    )


def _is_kept(file: SourceFile, kept: Mapping[str, Set[str]]) -> bool:
    return file.digest in kept.get(file.relative, ())


def _write(files: list[SourceFile]) -> None:
    """All beside their places first: what can fail fails before anything is replaced."""
    ready: list[tuple[Path, Path]] = []
    try:
        for file in files:
            place = Path(os.path.realpath(file.path))  # a link stays one
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".{place.name}.{os.getpid()}.new")
            ready.append((beside, place))
            with beside.open("wb") as target:
                target.write(file.content)
                target.flush()
                os.fsync(target.fileno())
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(place, beside)
        for beside, place in ready:
            beside.replace(place)
    finally:
        for beside, _ in ready:
            beside.unlink(missing_ok=True)


def _save(name: str, files: list[SourceFile], backups: Path) -> Path:
    """Copies what was read of them, for their owner alone."""
    moment = time.strftime("%Y%m%d-%H%M%S")
    folder = backups / "replaced" / f"{normalise(name)}-{moment}-{time.time_ns() % 10**9:09}"
    for file in files:
        copy = folder / file.relative
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            target.write(file.content)
    return folder


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:  # something is in it
            return
        folder = folder.parent
