"""The watched files as they were last seen, to find by comparison what no event told of."""

from __future__ import annotations

# A walk over thousands of files works on strings, which is many times faster than on paths.
import os
import stat
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devserver.core.patterns import PathFilter

Signature = tuple[int, ...]
"""Modification time, size, inode, change time (ns); on file systems that only know whole
seconds also a checksum of the content. Empty: not to be trusted, so unequal to any."""

_SECOND_NS = 1_000_000_000
_MAX_CHECKSUMMED = 1 << 20
_FRESH_NS = 20_000_000
_CLOSED = frozenset({"node_modules", "venv", "env", "instance"})
"""Folders of the project root that a glob without a fixed beginning does not reach."""


@dataclass(slots=True)
class _Scan:
    """What a walk met, by path from the project root."""

    files: dict[str, Signature] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    """Readable folders and where they really are."""
    anchors: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Device and inode of the folders where globs begin, and of those behind symlinks."""
    identities: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Device and inode of every folder, by its real path."""


class Tree:
    """The files below `root` that `accepts` lets through, with their signatures.

    Paths are given and taken relative to the root as it is spelt, with `/` between names; a
    symlinked folder's files have the path through the link. For one thread.
    """

    def __init__(self, root: Path, accepts: PathFilter) -> None:
        self._root = str(root)
        self._filter = accepts
        self._known: dict[str, Signature] = {}
        self._folders: dict[str, str] = {}
        self._anchors: dict[str, tuple[int, int]] = {}
        self._spelt: dict[str, list[str]] = {}
        self._identities: dict[str, tuple[int, int]] = {}
        self.exchanged = False
        """Set when a folder was found to be another one under the same name: a watch stays with
        the one that it was set for. Whoever sets the watches anew takes it back."""
        self.scan_seconds = 0.0
        """How long the last full walk took."""

    @property
    def folders(self) -> frozenset[str]:
        """The real paths of all folders that were there at the last look."""
        return frozenset(self._spelt)

    def take_as_known(self) -> None:
        """Makes what is on disk now the state that later comparisons start from."""
        self._known = self._scan_all()

    def adopt(self, accepts: PathFilter) -> None:
        """Changes the filter; files that it newly lets through count as changed."""
        self._filter = accepts
        self._known = {path: s for path, s in self._known.items() if accepts.accepts(path)}

    def compare(self) -> set[str]:
        """The paths that differ from the known state, which stays as it is until `note`."""
        return _differences(self._known, self._scan_all())

    def compare_folder(self, folder: str) -> set[str]:
        """The same for one folder and all below it, whether it exists or not."""
        scan, below = _Scan(), f"{folder}/"
        full = self._full(folder)
        if not self._is_closed(folder) and os.path.isdir(full):
            parent, name = os.path.split(full)
            parent = os.path.realpath(parent)
            step_in = self._enter if os.path.islink(full) else self._list
            step_in(folder, os.path.join(parent, name), scan, (parent,))
        for kept in (self._folders, self._anchors):
            for path in [p for p in kept if p == folder or p.startswith(below)]:
                del kept[path]
        self._note_exchanges(scan)
        self._identities |= scan.identities
        self._place(self._folders | scan.folders, self._anchors | scan.anchors)
        known = {path: s for path, s in self._known.items() if path.startswith(below)}
        return _differences(known, scan.files)

    def note(self, paths: Iterable[str], *, doubt_fresh: bool = False) -> None:
        """Makes the present state of `paths` the known one.

        With `doubt_fresh` a file that was modified a moment ago stays unknown, so that the next
        comparison gives it again: a second write within the same tick of the file system's
        clock leaves no trace, and without events nothing else tells of it.
        """
        now = time.time_ns()
        for path in paths:
            signature = self._signature_of(path)
            if signature is None:
                self._known.pop(path, None)
            elif doubt_fresh and abs(now - signature[0]) < _FRESH_NS:
                self._known[path] = ()
            else:
                self._known[path] = signature

    def accepts(self, path: str) -> bool:
        """True when a file at `path` counts."""
        return self._filter.accepts(path)

    def is_folder(self, path: str) -> bool:
        """True when `path` was a folder at the last look, or is one now."""
        return path in self._folders or (
            not self._is_closed(path) and os.path.isdir(self._full(path))
        )

    def has_moved(self) -> bool:
        """True when a folder where globs begin or that is behind a symlink appeared, vanished,
        or is another one now: what events do not tell."""
        if any(start not in self._anchors for start in self._start_folders()):
            return True
        return any(_identity(self._full(path)) != seen for path, seen in self._anchors.items())

    def spellings(self, real_path: str) -> list[str]:
        """The relative paths that stand for a real one: none when it lies elsewhere, several
        when symlinks lead to the same folder."""
        parent, name = os.path.split(real_path)
        inside = [_join(path, name) for path in self._spelt.get(parent, ())]
        return [*self._spelt.get(real_path, ()), *inside]

    def _scan_all(self) -> dict[str, Signature]:
        began = time.perf_counter()
        scan = _Scan()
        for folder in self._start_folders():
            self._enter(folder, self._full(folder), scan, ())
        self._note_exchanges(scan)
        self._identities = scan.identities
        self._place(scan.folders, scan.anchors)
        self.scan_seconds = time.perf_counter() - began
        return scan.files

    def _note_exchanges(self, scan: _Scan) -> None:
        known = self._identities
        if any(known.get(real, seen) != seen for real, seen in scan.identities.items()):
            self.exchanged = True

    def _place(self, folders: dict[str, str], anchors: dict[str, tuple[int, int]]) -> None:
        self._folders, self._anchors, self._spelt = folders, anchors, {}
        for path, real in folders.items():
            self._spelt.setdefault(real, []).append(path)

    def _start_folders(self) -> list[str]:
        return [f for f in self._filter.folders if os.path.isdir(self._full(f))]

    def _enter(self, folder: str, path: str, scan: _Scan, trail: tuple[str, ...]) -> None:
        """Adds a folder where globs begin (no trail), or the target of a symlink at `path`,
        unless that leads back to where the walk came from: the trail are the real folders that
        it stepped into so far."""
        real, identity = os.path.realpath(path), _identity(path)
        if identity is None or (trail and (real in trail or path.startswith(real + os.sep))):
            return
        scan.anchors[folder] = identity
        self._list(folder, real, scan, (*trail, real))

    def _list(self, folder: str, real: str, scan: _Scan, trail: tuple[str, ...]) -> None:
        """Adds a folder, which really is at `real`, and all below it."""
        try:
            with os.scandir(real) as found:
                entries = list(found)
        except OSError:
            return  # may not be read, or is gone
        scan.folders[folder] = real
        identity = _identity(real)
        if identity is not None:
            scan.identities[real] = identity
        for entry in entries:
            try:
                self._meet(entry, _join(folder, entry.name), scan, trail)
            except OSError:
                continue  # gone since it was listed, or a symlink to nowhere

    def _meet(
        self, entry: os.DirEntry[str], path: str, scan: _Scan, trail: tuple[str, ...]
    ) -> None:
        if entry.is_dir():
            if not self._is_closed(path):
                step_in = self._enter if entry.is_symlink() else self._list
                step_in(path, entry.path, scan, trail)
        elif self._filter.accepts(path):
            signature = _signature(entry.path, entry.stat())
            if signature is not None:
                scan.files[path] = signature

    def _is_closed(self, folder: str) -> bool:
        if "" in self._filter.folders and folder.partition("/")[0] in _CLOSED:
            return True
        return self._filter.prunes(folder)

    def _signature_of(self, path: str) -> Signature | None:
        full = self._full(path)
        try:
            return _signature(full, os.stat(full))
        except OSError:
            return None

    def _full(self, path: str) -> str:
        return os.path.join(self._root, path) if path else self._root


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _signature(path: str, found: os.stat_result) -> Signature | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    signature = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)
    if found.st_mtime_ns % _SECOND_NS or found.st_ctime_ns % _SECOND_NS:
        return signature
    if found.st_size > _MAX_CHECKSUMMED:
        return signature
    return (*signature, zlib.crc32(Path(path).read_bytes()))


def _differences(known: Mapping[str, Signature], seen: Mapping[str, Signature]) -> set[str]:
    return {path for path in known.keys() | seen.keys() if known.get(path) != seen.get(path)}
