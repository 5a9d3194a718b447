"""The sources of the last good versions of every plugin."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.store.database import Database
from devserver.store.locks import lock
from devserver.store.tables import source_blobs, source_files, source_versions

MOST = 20
"""How many versions of a plugin are kept."""
_VARIABLES = 500
"""Values in one statement; SQLite takes a limited number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodVersion:
    """Source that went live, to be kept. `restores` is the number of the kept version that it
    was put into service from, None for what was on disk."""

    source: PluginSource
    version: str
    generation: int
    restores: int | None = None

    @property
    def key(self) -> str:
        return normalise(self.source.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """A version that is kept, without its files."""

    number: int
    digest: str
    version: str
    single_file: bool
    generation: int
    restores: int | None
    kept_at: datetime

    @property
    def stands_for(self) -> int:
        """The number that it takes the place of in the order of versions."""
        return self.number if self.restores is None else self.restores

    def to_json(self) -> dict[str, Any]:
        """As it is listed."""
        return {
            "number": self.number,
            "version": self.version,
            "generation": self.generation,
            "restores": self.restores,
            "kept_at": self.kept_at.isoformat(),
        }


class Sources:
    """Tables `source_*`: versions of each plugin by number, files by content.

    Everything raises DatabaseUnavailable when the database cannot be used.
    """

    def __init__(self, database: Database, *, most: int = MOST) -> None:
        self._database = database
        self._most = most

    def keep(self, good: Sequence[GoodVersion]) -> None:
        """Keeps each in turn as the newest version of its plugin, but for what the newest is
        already, in one transaction; what is older than the last 20 of a plugin goes."""
        with self._database.read() as connection:
            new = _new(good, _last_digests(connection))
            known = _known(connection, (f.digest for v in new for f in v.source.files.values()))
        if not new:
            return
        # Compressed before: while the block lasts nobody else can write.
        blobs = {
            file.digest: zlib.compress(file.content)
            for one in new
            for file in one.source.files.values()
            if file.digest not in known
        }
        with self._database.write() as connection:
            lock(connection, "sources")
            for one in _new(new, _last_digests(connection)):
                _insert(connection, one, blobs)
                _prune(connection, one.key, self._most)

    def versions(self, plugin: str) -> list[KeptVersion]:
        """The versions of a plugin, the oldest first."""
        columns = source_versions.c
        wanted = select(source_versions).where(columns.plugin == normalise(plugin))
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(columns.number)).all()
        return [
            KeptVersion(
                number=row.number,
                digest=row.digest,
                version=row.version,
                single_file=row.single_file,
                generation=row.generation,
                restores=row.restores,
                kept_at=_moment(row.created_at),
            )
            for row in rows
        ]

    def files(self, plugin: str, number: int) -> dict[str, bytes]:
        """The files of a version by path, as in PluginSource; empty for an unknown one."""
        of = source_files.c
        wanted = (
            select(of.path, source_blobs.c.content)
            .join(source_blobs, source_blobs.c.digest == of.digest)
            .where(of.plugin == normalise(plugin), of.number == number)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(of.path)).all()
        return {row.path: zlib.decompress(row.content) for row in rows}

    def digests(self, plugin: str) -> dict[str, set[str]]:
        """Path → the digests of all contents that are kept of that file."""
        of = source_files.c
        wanted = select(of.path, of.digest).where(of.plugin == normalise(plugin)).distinct()
        found: dict[str, set[str]] = {}
        with self._database.read() as connection:
            for row in connection.execute(wanted):
                found.setdefault(row.path, set()).add(row.digest)
        return found


def _new(good: Sequence[GoodVersion], last: dict[str, str]) -> list[GoodVersion]:
    """Those that differ from what is before them."""
    found = []
    for one in good:
        if last.get(one.key) != one.source.digest:
            last[one.key] = one.source.digest
            found.append(one)
    return found


def _known(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Those of `digests` whose content is there."""
    digest = source_blobs.c.digest
    parts = _parts(digests)
    return {d for part in parts for d in connection.scalars(select(digest).where(digest.in_(part)))}


def _parts(digests: Iterable[str]) -> Iterator[list[str]]:
    rest = sorted(set(digests))
    return (rest[i : i + _VARIABLES] for i in range(0, len(rest), _VARIABLES))


def _last_digests(connection: Connection) -> dict[str, str]:
    """Key → digest of the newest version."""
    columns = source_versions.c
    newest = (
        select(columns.plugin, func.max(columns.number).label("number"))
        .group_by(columns.plugin)
        .subquery()
    )
    wanted = select(columns.plugin, columns.digest).join(
        newest, (newest.c.plugin == columns.plugin) & (newest.c.number == columns.number)
    )
    return {row.plugin: row.digest for row in connection.execute(wanted)}


def _insert(connection: Connection, one: GoodVersion, blobs: Mapping[str, bytes]) -> None:
    columns = source_versions.c
    last = connection.scalar(select(func.max(columns.number)).where(columns.plugin == one.key))
    number = (last or 0) + 1
    files = one.source.files
    _put_blobs(connection, one, blobs)
    connection.execute(
        insert(source_versions).values(
            plugin=one.key,
            number=number,
            digest=one.source.digest,
            version=one.version[:100],
            single_file=one.source.single_file,
            generation=one.generation,
            restores=one.restores,
        )
    )
    rows = [
        {"plugin": one.key, "number": number, "path": path, "digest": file.digest}
        for path, file in files.items()
    ]
    if rows:
        connection.execute(insert(source_files), rows)


def _put_blobs(connection: Connection, one: GoodVersion, blobs: Mapping[str, bytes]) -> None:
    """Puts in what is missing; what was known before may have been pruned since."""
    contents = {file.digest: file.content for file in one.source.files.values()}
    there = _known(connection, contents)
    rows = [
        {"digest": digest, "content": blobs.get(digest) or zlib.compress(content)}
        for digest, content in contents.items()
        if digest not in there
    ]
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(source_blobs).on_conflict_do_nothing(), rows)


def _prune(connection: Connection, key: str, most: int) -> None:
    versions, files, blobs = source_versions.c, source_files.c, source_blobs.c
    newest = select(versions.number).where(versions.plugin == key).order_by(versions.number.desc())
    oldest = connection.scalar(newest.offset(most).limit(1))
    if oldest is None:
        return
    old_files = (files.plugin == key) & (files.number <= oldest)
    digests = set(connection.scalars(select(files.digest).where(old_files)))
    connection.execute(delete(source_files).where(old_files))
    old = (versions.plugin == key) & (versions.number <= oldest)
    connection.execute(delete(source_versions).where(old))
    needed = select(files.digest).where(files.digest == blobs.digest).exists()
    for part in _parts(digests):
        connection.execute(delete(source_blobs).where(blobs.digest.in_(part) & ~needed))


def _moment(value: datetime) -> datetime:
    """With its zone: SQLite gives none."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)
