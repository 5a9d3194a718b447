"""Finds plugins on disk and reads their source."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.runtime.project import Project

_LEFT_OUT = frozenset({"__pycache__", "tests", "node_modules"})
_TEMPORARY = re.compile(r".*(~|\.py[co]|\.sw[a-z]|___jb_\w+|\.tmp(?!l).*)|#.*#|4913")
"""What Python, and editors in the middle of a save, leave behind for a moment."""
_WRITTEN = re.compile(r".*\.(log|pid|lock|(db|sqlite\d?)(-wal|-shm|-journal)?)")
"""What plugins themselves write while they run: a reload must not follow from it."""
_LARGEST = 5_000_000
"""Bytes. Larger files are data that the plugin reads, and no part of its source."""
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opening a named pipe must not wait until somebody writes to it."""


class SourceUnreadable(Exception):
    """A file of a plugin cannot be read; `diagnostic` says which and why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def discover(project: Project) -> dict[str, Path]:
    """Normalised name → folder or file of each plugin, in order of name.

    A folder counts when it has plugin.py or __init__.py. Where two spellings stand for one name
    the first in order wins: a folder before a file.
    """
    found: dict[str, Path] = {}
    try:
        entries = sorted(project.plugins.iterdir(), key=lambda p: (p.suffix == ".py", p.name))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        if entry.suffix == ".py" and not entry.is_dir():
            found.setdefault(normalise(entry.stem), entry)
        elif is_plugin_folder(entry):
            found.setdefault(normalise(entry.name), entry)
    return found


def is_plugin_folder(folder: Path) -> bool:
    """True when the folder holds an entry module."""
    return (folder / "plugin.py").is_file() or (folder / "__init__.py").is_file()


def plugin_of(project: Project, path: Path) -> str | None:
    """The key of the plugin that a path below plugins/ belongs to, or None."""
    try:
        first = path.relative_to(project.plugins).parts[0]
    except (ValueError, IndexError):
        return None
    if first.startswith((".", "_")):
        return None
    return normalise(first.removesuffix(".py"))


def read_source(project: Project, location: Path) -> PluginSource | None:
    """The plugin's source as it is on disk now, None when it has vanished.

    Raises SourceUnreadable.
    """
    if location.suffix == ".py" and not location.is_dir():
        content = _read(project, location)
        if content is None:
            return None
        return PluginSource.of(
            name=location.stem,
            root=location.parent,
            base=project.root,
            files=[SourceFile.of(location, location.name, content)],
            single_file=True,
        )
    if not is_plugin_folder(location):
        return None
    files = []
    for path in _walk(str(location), os.path.realpath(location)):
        content = _read(project, path)
        if content is not None:
            files.append(SourceFile.of(path, path.relative_to(location).as_posix(), content))
    return PluginSource.of(
        name=location.name, root=location, base=project.root, files=files, single_file=False
    )


def _walk(folder: str, real: str, trail: tuple[str, ...] = ()) -> Iterator[Path]:
    """The files of a folder, which really is at `real`, and of all below it, in order.

    A symlink to where the walk came from is left out: `trail` are the real folders that it
    stepped into so far.
    """
    trail = (*trail, real)
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return  # may not be read, or is gone
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                below = os.path.realpath(entry.path) if entry.is_symlink() else ""
                below = below or os.path.join(real, entry.name)
                if entry.name not in _LEFT_OUT and not _leads_back(below, trail):
                    yield from _walk(entry.path, below, trail)
            elif entry.is_file() and _belongs(entry.name):
                yield Path(entry.path)
        except OSError:
            continue  # a symlink that leads to itself


def _leads_back(real: str, trail: tuple[str, ...]) -> bool:
    """True when a folder is one of the trail, or holds one."""
    return any(before == real or before.startswith(real + os.sep) for before in trail)


def _belongs(name: str) -> bool:
    return _TEMPORARY.fullmatch(name) is None and _WRITTEN.fullmatch(name) is None


def _read(project: Project, path: Path) -> bytes | None:
    """The bytes of a file; None when it is no file, is too large and no code, or is gone: it
    vanished between listing and reading."""
    try:
        with os.fdopen(os.open(path, _OPEN), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            if status.st_size <= _LARGEST:
                return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror or error}"
        raise _unreadable(project, path, reason, "check its permissions with `ls -l`") from error
    if path.suffix != ".py":
        return None
    reason = f"the file is too large for code: {status.st_size / 1e6:.1f} MB, at most 5 MB are read"
    raise _unreadable(project, path, reason, "move its data to a file that the code reads")


def _unreadable(project: Project, path: Path, reason: str, hint: str) -> SourceUnreadable:
    return SourceUnreadable(
        Diagnostic(
            code="SYN001",
            severity=Severity.ERROR,
            message=reason,
            plugin=plugin_of(project, path),
            file=project.relative(path),
            hint=hint,
        )
    )
