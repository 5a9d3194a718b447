"""instance/packages: every installed version, side by side."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devserver.core.names import normalise
from devserver.core.versions import find_version
from devserver.packages.trees import (
    digest_of_folder,
    move,
    remove,
    swap,
    sync,
    write_file,
    write_tree,
)
from devserver.runtime.project import Project

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

STAGING = ".staging-"
KEPT = ".kept"
_PLUGIN, _ARCHIVE = "plugin", "archive"


class Shelf:
    """NAME/VERSION/plugin is a plugin's folder, NAME/VERSION/archive what it came in. Names are
    found in either spelling. What begins with a dot is unfinished."""

    def __init__(self, project: Project) -> None:
        self.root = project.instance / "packages"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One change of packages at a time, by whichever process."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def versions(self, name: str) -> list[str]:
        """The versions of a plugin that are here, the oldest first."""
        folder = self._folder(name)
        if folder is None:
            return []
        known = {p.name: find_version(p.name) for p in folder.iterdir() if p.is_dir()}
        return [text for _, text in sorted((v, text) for text, v in known.items() if v is not None)]

    def find(self, name: str, version: str) -> Path | None:
        """The plugin's folder of a version, however that is spelt (`1.0` is `1.0.0`)."""
        folder, wanted = self._folder(name), find_version(version)
        if folder is None or wanted is None:
            return None
        known = (text for text in self.versions(name) if find_version(text) == wanted)
        return next((folder / text / _PLUGIN for text in known), None)

    def holding(self, name: str, folder: Path) -> str | None:
        """The version whose content a folder has, None when it has content of its own."""
        digest = digest_of_folder(folder)
        known = self._folder(name)
        if known is None:
            return None
        same = (v for v in self.versions(name) if digest_of_folder(known / v / _PLUGIN) == digest)
        return next(same, None)

    def names(self) -> list[str]:
        """The plugins that have a version here."""
        if not self.root.is_dir():
            return []
        found = (p.name for p in self.root.iterdir() if p.is_dir())
        return sorted(name for name in found if not name.startswith(".") and self.versions(name))

    def archive(self, name: str, version: str) -> bytes | None:
        """The archive of a version, None when it is not here."""
        folder = self.find(name, version)
        try:
            return None if folder is None else folder.with_name(_ARCHIVE).read_bytes()
        except FileNotFoundError:
            return None

    @contextmanager
    def staged(self, files: Mapping[str, bytes], content: bytes) -> Iterator[Path]:
        """A new folder with these files that nobody else sees, for a block; it is taken away at
        the end unless it was put on the shelf."""
        place = self.root / f"{STAGING}{secrets.token_hex(8)}"
        place.mkdir(mode=0o700)
        try:
            write_tree(place / _PLUGIN, files)
            write_file(place / _ARCHIVE, content)
            yield place / _PLUGIN
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def put(self, staged: Path, name: str, version: str) -> Path:
        """Moves what was staged to its place, which must be free."""
        folder = self._folder(name) or self.root / name
        folder.mkdir(mode=0o755, exist_ok=True)
        sync(self.root)
        target = folder / version
        move(staged.parent, target)
        return target / _PLUGIN

    def admit(self, staged: str, name: str, version: str, digest: str) -> None:
        """Has the version have that content, from the folder that was staged, instead of what
        may be there. Doing it again changes nothing."""
        folder, there = self.root / staged, self.find(name, version)
        if not folder.is_dir():
            return
        if there is None:
            self.put(folder / _PLUGIN, name, version)
        elif digest_of_folder(there) != digest:
            swap(folder, there.parent)

    def take_away(self, name: str, version: str) -> None:
        """Removes a version; it vanishes in one step."""
        folder = self.find(name, version)
        if folder is None:
            return
        gone = self.root / f"{STAGING}{secrets.token_hex(8)}"
        move(folder.parent, gone)
        remove(gone)
        with contextlib.suppress(OSError):  # other versions are there
            folder.parent.parent.rmdir()

    def keep(self, path: Path, name: str) -> Path:
        """Moves something that must not be lost to .kept/, and gives its place there."""
        target = self._spare_place(name)
        shutil.move(path, target)
        sync(target.parent)
        return target

    def keep_copies(self, folder: Path, paths: Collection[str], name: str) -> Path:
        """The same for copies of these files of a folder."""
        target = self._spare_place(name)
        for path in paths:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / path, target / path, follow_symlinks=False)
        sync(target.parent)
        return target

    def _spare_place(self, name: str) -> Path:
        folder = self.root / KEPT
        folder.mkdir(mode=0o700, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return folder / f"{name}-{stamp}-{secrets.token_hex(3)}"

    def clean(self) -> None:
        """Takes away what a process left unfinished that was killed. Hold the lock."""
        for path in self.root.glob(f"{STAGING}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _folder(self, name: str) -> Path | None:
        try:
            found = [p for p in self.root.iterdir() if normalise(p.name) == normalise(name)]
        except FileNotFoundError:
            return None
        return next((p for p in found if p.is_dir()), None)


def _lock(handle: int) -> None:
    """Waits for the lock of a file, which goes with its handle."""
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX)
