"""A plugin's `migrations/` as it is on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.store.sql_tokens import Dialect

_NAME = re.compile(r"(?P<id>(?P<number>\d{4,9})_[A-Za-z0-9][\w-]{0,200})(?:\.(?P<of>\w+))?\.sql")
_DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")
_LIKE = "name it like 0001_init.sql, or 0001_init.sqlite.sql for one database"
_LARGEST = 50_000_000
"""Bytes that are read of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One migration as this database gets it. `id` is the name without `.sql` and dialect;
    `is_own` says that it was written for this database, so that nothing is translated. `text` has
    line feeds only. `checksums` are those of every file that stands for it here: the first is
    that of `text`."""

    id: str
    path: Path
    file: str
    text: str
    is_own: bool
    checksums: tuple[str, ...]

    @property
    def number(self) -> int:
        return number_of(self.id)

    def diagnostic(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        line: int | None = None,
        end_line: int | None = None,
    ) -> Diagnostic:
        """An error in this file, with the lines that it is about."""
        found = Diagnostic(
            code=code,
            severity=Severity.ERROR,
            message=message,
            file=self.file,
            line=line,
            end_line=end_line if line is not None else None,
            hint=hint,
        )
        return found if line is None else _with_lines(found, self.text.split("\n"), line)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFolder:
    """`files` in order; `problems` refuse all of them, `warnings` none."""

    files: tuple[MigrationFile, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def number_of(migration_id: str) -> int:
    """`0003_more` is 3."""
    return int(migration_id.partition("_")[0])


def checksum(text: str) -> str:
    """SHA-256 of a text, whatever its line endings and the whitespace at the ends of lines."""
    lines = (line.rstrip() for line in _unified(text).split("\n"))
    return hashlib.sha256("\n".join(lines).rstrip("\n").encode()).hexdigest()


def read_folder(folder: Path, dialect: Dialect, *, root: Path | None = None) -> MigrationFolder:
    """The migrations for a database. A folder that is not there has none. Files are named
    relative to `root`."""
    try:
        found = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return MigrationFolder()
    except OSError as error:
        return MigrationFolder(problems=(_problem("MIG005", folder, root, _unreadable(error)),))
    groups: dict[str, dict[str, Path]] = {}
    problems: list[Diagnostic] = []
    for path in found:
        match = _NAME.fullmatch(path.name)
        if match is not None and (match["of"] or "") in ("", *_DIALECTS):
            groups.setdefault(match["id"], {})[match["of"] or ""] = path
        elif path.suffix.lower() == ".sql":
            message = f"{path.name} is no name of a migration"
            problems.append(_problem("MIG004", path, root, message, _hint_of(path.name)))
    files = []
    for name, variants in sorted(groups.items(), key=lambda g: (number_of(g[0]), g[0])):
        read = _read(name, variants, dialect, root)
        files += [read] if isinstance(read, MigrationFile) else []
        problems += [read] if isinstance(read, Diagnostic) else []
    problems += _twins(groups, root)
    return MigrationFolder(
        files=tuple(files), problems=tuple(problems), warnings=tuple(_gaps(files))
    )


def _read(
    name: str, variants: dict[str, Path], dialect: Dialect, root: Path | None
) -> MigrationFile | Diagnostic:
    path = variants.get(dialect) or variants.get("")
    if path is None:
        other = next(iter(variants.values()))
        hint = f"write {name}.{dialect}.sql; a comment is enough where nothing is to be done"
        return _problem("MIG013", other, root, f"{name} has no file for {dialect}", hint)
    texts = []
    for candidate in (path, *(p for key, p in variants.items() if key == "" and p != path)):
        text = _text(candidate, root)
        if isinstance(text, Diagnostic):
            return text
        texts.append(text)
    return MigrationFile(
        id=name,
        path=path,
        file=_shown(path, root),
        text=texts[0],
        is_own=dialect == "postgresql" or path is variants.get(dialect),
        checksums=tuple(checksum(text) for text in texts),
    )


def _text(path: Path, root: Path | None) -> str | Diagnostic:
    try:
        if not path.is_file():
            return _problem("MIG005", path, root, f"{path.name} is no file")
        if path.stat().st_size > _LARGEST:
            return _problem("MIG005", path, root, f"{path.name} is larger than 50 MB")
        content = path.read_bytes()
        text = _unified(content.decode("utf-8"))
    except OSError as error:
        return _problem("MIG005", path, root, _unreadable(error), "check its permissions")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = _problem("MIG005", path, root, f"{path.name} is not UTF-8", "save it as UTF-8")
        return replace(found, line=line)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        found = _problem("MIG005", path, root, f"{path.name} has a null byte", "delete the byte")
        return replace(found, line=line)
    if not text.strip():
        hint = "write it, or a comment where nothing is to be done, or delete it"
        return _problem("MIG006", path, root, f"{path.name} is empty", hint)
    return text


def _unified(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _twins(groups: Mapping[str, Mapping[str, Path]], root: Path | None) -> list[Diagnostic]:
    by_number: dict[int, list[str]] = {}
    for name in groups:
        by_number.setdefault(number_of(name), []).append(name)
    found = []
    for number, names in sorted(by_number.items()):
        if len(names) > 1:
            told = " and ".join(sorted(names))
            path = min(groups[max(names)].values())
            message = f"{told} have one number, {number:04}"
            hint = "give the one that was written last the next free number"
            found.append(_problem("MIG003", path, root, message, hint))
    return found


def _gaps(files: Sequence[MigrationFile]) -> list[Diagnostic]:
    """A number that was left out is no fault, but a file that comes to stand there later is."""
    found = []
    for before, after in pairwise(files):
        if after.number > before.number + 1:
            missing = f"{before.number + 1:04}"
            found.append(
                Diagnostic(
                    code="MIG014",
                    severity=Severity.WARNING,
                    message=f"{missing} is missing between {before.id} and {after.id}",
                    file=after.file,
                    hint="look whether a file was forgotten",
                )
            )
    return found


def _hint_of(name: str) -> str:
    if name.endswith((".down.sql", ".up.sql")):
        return f"there are no downward steps; {_LIKE}"
    if ".postgres." in name or ".pg." in name:
        return f"the database is called postgresql: {_LIKE}"
    return f"{_LIKE}: four digits, `_`, and letters, digits, `_` or `-`"


def _problem(
    code: str, path: Path, root: Path | None, message: str, hint: str | None = None
) -> Diagnostic:
    return Diagnostic(
        code=code, severity=Severity.ERROR, message=message, file=_shown(path, root), hint=hint
    )


def _unreadable(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or error}"


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()


def _with_lines(found: Diagnostic, lines: Sequence[str], line: int) -> Diagnostic:
    end = min(found.end_line or line, line + 7, len(lines))
    return replace(
        found,
        end_line=end,
        source_lines=tuple(lines[line - 1 : end]),
        lines_before=tuple(lines[max(0, line - 3) : line - 1]),
        lines_after=tuple(lines[end : end + 1]),
    )
