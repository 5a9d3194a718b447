"""Finds plugins on disk and reads their source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.runtime.project import Project

_SUFFIXES = frozenset(
    {".py", ".json", ".yaml", ".yml", ".toml", ".txt", ".sql"}
    | {".html", ".jinja2", ".j2", ".css", ".js"}
)
_LEFT_OUT = frozenset({"__pycache__", "tests", "node_modules"})


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
    for path in _walk(location):
        content = _read(project, path)
        if content is not None:
            files.append(SourceFile.of(path, path.relative_to(location).as_posix(), content))
    return PluginSource.of(
        name=location.name, root=location, base=project.root, files=files, single_file=False
    )


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(f for f in folders if f not in _LEFT_OUT and not f.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix in _SUFFIXES:
                yield Path(where, name)


def _read(project: Project, path: Path) -> bytes | None:
    """The bytes of a file, None when it is gone: it vanished between listing and reading."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SourceUnreadable(
            Diagnostic(
                code="SYN001",
                severity=Severity.ERROR,
                message=f"the file cannot be read: {error.strerror or error}",
                plugin=plugin_of(project, path),
                file=project.relative(path),
                hint="check its permissions with `ls -l`",
            )
        ) from error
