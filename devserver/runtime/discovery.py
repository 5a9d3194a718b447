"""Finds plugins on disk and reads their source."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.runtime.project import Project

_ENTRIES = ("plugin.py", "__init__.py")
_LEFT_OUT = frozenset({"__pycache__", "tests", "node_modules"})
_TEMPORARY = re.compile(r".*(~|\.py[co]|\.sw[a-z]|___jb_\w+|\.tmp(?!l).*)|#.*#|4913")
"""What Python, and editors in the middle of a save, leave behind for a moment."""
_WRITTEN = re.compile(r".*\.(log|pid|lock|(db|sqlite\d?)(-wal|-shm|-journal)?)")
"""What plugins themselves write while they run: a reload must not follow from it."""
_LARGEST = 5_000_000
"""Bytes. Larger files are data that the plugin reads, and no part of its source."""
_PERMISSIONS = "check its permissions with `ls -l`"
_NO_CONTENT = {
    errno.ENXIO: "it is a socket or a device",
    errno.ELOOP: os.strerror(errno.ELOOP),
}
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opening a named pipe must not wait until somebody writes to it."""


class SourceUnreadable(Exception):
    """A file of a plugin cannot be read; `diagnostic` says which and why. `is_odd` for what is
    no ordinary file and has no content that could be missed."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
        self.is_odd = False


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
    """True when the folder holds an entry module, be it one that cannot be read, or when
    nobody can tell: it may not be looked into."""
    if any(_is_there(folder / entry) for entry in _ENTRIES):
        return True
    return os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK)


def is_plugin(location: Path) -> bool:
    """True when a plugin is there, in a folder or in a single file."""
    if location.suffix == ".py" and not os.path.isdir(location):
        return _is_there(location)
    return is_plugin_folder(location)


def _is_there(file: Path) -> bool:
    """True for a link that leads nowhere and a named pipe, too: they are to be told of."""
    return os.path.lexists(file) and not os.path.isdir(file)


def plugin_of(project: Project, path: Path) -> str | None:
    """The key of the plugin that a path below plugins/ belongs to, or None."""
    name = _spelling(project, path)
    return None if name is None else normalise(name)


def _spelling(project: Project, path: Path) -> str | None:
    try:
        first = path.relative_to(project.plugins).parts[0]
    except (ValueError, IndexError):
        return None
    return None if first.startswith((".", "_")) else first.removesuffix(".py")


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
    files, unread = _read_folder(project, location)
    return PluginSource.of(
        name=location.name,
        root=location,
        base=project.root,
        files=files,
        single_file=False,
        unread=unread,
    )


def _read_folder(project: Project, location: Path) -> tuple[list[SourceFile], list[Diagnostic]]:
    """The files, and warnings on code that is passed over. Raises SourceUnreadable."""
    files: list[SourceFile] = []
    closed: list[Path] = []
    unread: list[SourceUnreadable] = []
    for path in _walk(str(location), os.path.realpath(location), closed):
        relative = path.relative_to(location).as_posix()
        try:
            content = _read(project, path)
        except SourceUnreadable as error:
            if not error.is_odd or relative in _ENTRIES:
                raise
            unread.append(error)
            continue
        if content is not None:
            files.append(SourceFile.of(path, relative, content))
    for folder in closed:
        told = _unreadable(project, folder, "the folder cannot be read", _PERMISSIONS)
        if folder == location:
            raise told
        unread.append(told)
    return files, [replace(e.diagnostic, severity=Severity.WARNING) for e in unread]


def _walk(
    folder: str, real: str, closed: list[Path], trail: tuple[str, ...] = ()
) -> Iterator[Path]:
    """The files of a folder, which really is at `real`, and of all below it, in order.

    A symlink to where the walk came from is left out: `trail` are the real folders that it
    stepped into so far. Folders that may not be read are added to `closed`.
    """
    trail = (*trail, real)
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except PermissionError:
        closed.append(Path(folder))
        return
    except OSError:
        return  # is gone
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _asks(entry.is_dir):
            below = os.path.realpath(entry.path) if entry.is_symlink() else ""
            below = below or os.path.join(real, entry.name)
            if entry.name not in _LEFT_OUT and not _leads_back(below, trail):
                yield from _walk(entry.path, below, closed, trail)
        elif _belongs(entry.name) and (_is_code(entry.name) or _asks(entry.is_file)):
            yield Path(entry.path)


def _asks(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:
        return False  # a symlink that leads to itself


def _leads_back(real: str, trail: tuple[str, ...]) -> bool:
    """True when a folder is one of the trail, or holds one."""
    return any(before == real or before.startswith(real + os.sep) for before in trail)


def _is_code(name: str) -> bool:
    """True for what is missed when it is no ordinary file."""
    return name.endswith(".py") or name == "manifest.json"


def _belongs(name: str) -> bool:
    return _TEMPORARY.fullmatch(name) is None and _WRITTEN.fullmatch(name) is None


def _read(project: Project, path: Path) -> bytes | None:
    """The bytes of a file; None for data that is too large or no ordinary file, and for what
    vanished between listing and reading. Raises SourceUnreadable."""
    try:
        with os.fdopen(os.open(path, _OPEN), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                _pass_over(project, path, f"it is {_kind_of(status.st_mode)}")
                return None
            if status.st_size <= _LARGEST:
                return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        if os.path.islink(path):
            _pass_over(project, path, "it is a link that leads nowhere")
        return None
    except OSError as error:
        if error.errno in _NO_CONTENT:
            _pass_over(project, path, _NO_CONTENT[error.errno])
            return None
        reason = f"the file cannot be read: {error.strerror or error}"
        raise _unreadable(project, path, reason, _PERMISSIONS) from error
    if path.suffix != ".py":
        return None
    reason = f"the file is too large for code: {status.st_size / 1e6:.1f} MB, at most 5 MB are read"
    raise _unreadable(project, path, reason, "move its data to a file that the code reads")


def _pass_over(project: Project, path: Path, reason: str) -> None:
    """Raises SourceUnreadable for code that is no ordinary file; such data is left alone."""
    if _is_code(path.name):
        hint = "put an ordinary file in its place, or remove it"
        told = _unreadable(project, path, f"the file cannot be read: {reason}", hint)
        told.is_odd = True
        raise told


def _kind_of(mode: int) -> str:
    return "a named pipe" if stat.S_ISFIFO(mode) else "no ordinary file"


def _unreadable(project: Project, path: Path, reason: str, hint: str) -> SourceUnreadable:
    return SourceUnreadable(
        Diagnostic(
            code="SYN001",
            severity=Severity.ERROR,
            message=reason,
            plugin=_spelling(project, path),
            file=project.relative(path),
            hint=hint,
        )
    )
