"""What a plugin's migrations are at: the files beside what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.store.migration_files import MigrationFile, MigrationFolder, number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """`applied`, `pending` and `drifted` are ids in order; `problems` stand against applying
    what is pending, `warnings` do not."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    drifted: tuple[str, ...]
    problems: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...]


def compare(
    plugin: str, folder: MigrationFolder, recorded: Mapping[str, str], *, development: bool
) -> MigrationStatus:
    """`recorded` is id → checksum of what was applied."""
    files = {file.id: file for file in folder.files}
    drifted = [
        file for file in folder.files
        if file.id in recorded and recorded[file.id] not in file.checksums
    ]  # fmt: skip
    pending = [file for file in folder.files if file.id not in recorded]
    back = f"or `sysctl database migrate {plugin} --redo`, which drops what it made"
    redo = f", {back}" if development else ""
    problems = [*folder.problems]
    problems += [_changed(file, redo) for file in drifted]
    gone = sorted((i for i in recorded if i not in files), key=number_of)
    last = max((file.number for file in folder.files), default=0)
    unread = {d.file for d in folder.problems}
    missing = [i for i in gone if number_of(i) <= last and not _is_unread(i, unread)]
    problems += [_missing(i, folder, redo) for i in missing]
    latest = max(map(number_of, recorded), default=0)
    taken = {number_of(i) for i in missing}
    problems += [
        _late(file, max(recorded, key=number_of), redo)
        for file in pending
        if file.number < latest and file.number not in taken
    ]
    ahead = [i for i in gone if number_of(i) > last]
    return MigrationStatus(
        applied=tuple(sorted(recorded, key=number_of)),
        pending=tuple(file.id for file in pending),
        drifted=tuple(file.id for file in drifted),
        problems=tuple(problems),
        warnings=(*folder.warnings, *([_ahead(ahead)] if ahead and not folder.problems else [])),
    )


def _is_unread(migration_id: str, files: set[str | None]) -> bool:
    """True when the file is there, and told of already."""
    return any(f"/{migration_id}." in f"/{file}" for file in files)


def _changed(file: MigrationFile, redo: str) -> Diagnostic:
    return file.diagnostic(
        "MIG001",
        f"{file.path.name} has changed since it was applied",
        hint=f"put it back and write the change into a new migration{redo}",
    )


def _missing(migration_id: str, folder: MigrationFolder, redo: str) -> Diagnostic:
    number = number_of(migration_id)
    twin = next((f for f in folder.files if f.number == number), None)
    renamed = f"; {twin.path.name} has its number now" if twin else ""
    place = (twin or folder.files[0]).file.rpartition("/")[0]
    return Diagnostic(
        code="MIG002",
        severity=Severity.ERROR,
        message=f"{migration_id} was applied, and its file is gone{renamed}",
        file=f"{place}/{migration_id}.sql" if place else f"{migration_id}.sql",
        hint=f"put the file back{redo}",
    )


def _late(file: MigrationFile, latest: str, redo: str) -> Diagnostic:
    return file.diagnostic(
        "MIG012",
        f"{file.path.name} comes before {latest}, which was applied already",
        hint=f"give it a number behind {latest}{redo}",
    )


def _ahead(ids: list[str]) -> Diagnostic:
    return Diagnostic(
        code="MIG015",
        severity=Severity.WARNING,
        message=f"the database is ahead: {', '.join(ids)} was applied by a newer version",
        hint="nothing is undone; update the plugin, or see that it works with the newer tables",
    )
