"""The table of installed packages, with the archives themselves: others fetch them from there."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import delete, func, insert, select, update

from devserver.core.names import normalise
from devserver.core.versions import find_version
from devserver.packages.refusal import PackageRefused, problem
from devserver.store.database import Database
from devserver.store.locks import lock
from devserver.store.tables import packages

DIFFERS = "PKG019"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPackage:
    """An installed version; `content` is its archive, None where it was not kept."""

    name: str
    version: str
    sha256: str
    content: bytes | None = field(default=None, repr=False)


class PackageRecords:
    """Table `packages`. Everything raises DatabaseUnavailable when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[StoredPackage]:
        """Every installed version, without its content, by name and version."""
        columns = packages.c
        statement = select(columns.name, columns.version, columns.sha256)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(columns.name, columns.version)).all()
        return [StoredPackage(name=r.name, version=r.version, sha256=r.sha256) for r in rows]

    def put(self, package: StoredPackage) -> None:
        """Keeps a version; one that is there is replaced."""
        columns = packages.c
        own = (columns.name == package.name) & (columns.version == package.version)
        values = {"sha256": package.sha256, "content": package.content}
        with self._database.write() as connection:
            lock(connection, "packages")
            stamped = {**values, "installed_at": func.current_timestamp()}
            if connection.execute(update(packages).where(own).values(stamped)).rowcount == 0:
                key = {"name": package.name, "version": package.version}
                connection.execute(insert(packages).values({**key, **values}))

    def find(self, name: str, version: str) -> StoredPackage | None:
        """A version with its content, however name and version are spelt.

        Raises PackageRefused when the content is not what was installed.
        """
        known = next((p for p in self.all() if _is(p, name, version)), None)
        if known is None:
            return None
        columns = packages.c
        own = (columns.name == known.name) & (columns.version == known.version)
        with self._database.read() as connection:
            row = connection.execute(
                select(columns.sha256, columns.content).where(own)
            ).one_or_none()
        if row is None:
            return None
        if row.content is not None and hashlib.sha256(row.content).hexdigest() != row.sha256:
            told = f"{known.name} {known.version} in the database is not what was installed"
            raise PackageRefused([problem(DIFFERS, told, "install the package from its file")])
        return StoredPackage(
            name=known.name, version=known.version, sha256=row.sha256, content=row.content
        )

    def forget(self, name: str, versions: Collection[str] | None = None) -> None:
        """Takes versions of a plugin out, all of them without `versions`."""
        gone = [
            p
            for p in self.all()
            if normalise(p.name) == normalise(name) and (versions is None or p.version in versions)
        ]
        columns = packages.c
        with self._database.write() as connection:
            for one in gone:
                own = (columns.name == one.name) & (columns.version == one.version)
                connection.execute(delete(packages).where(own))


def _is(package: StoredPackage, name: str, version: str) -> bool:
    wanted = find_version(version)
    same = wanted is not None and find_version(package.version) == wanted
    return same and normalise(package.name) == normalise(name)
