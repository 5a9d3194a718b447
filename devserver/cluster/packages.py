"""Packages on their way through the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from devserver.cluster.results import Ending
from devserver.cluster.words import Action
from devserver.core.errors import DevServerError
from devserver.core.outcome import Outcome
from devserver.store.database import Database
from devserver.store.tables import desired_states, instance_results, packages


class PackageDamaged(DevServerError):
    """A package in the database is not the one that was announced, or is not there."""


class Installed(Protocol):
    """What became of a package."""

    @property
    def outcome(self) -> Outcome: ...


class Installer(Protocol):
    """Puts a ZIP package into the project of this instance."""

    def install(
        self, content: bytes, *, force: bool, install_requirements: bool, trigger: str
    ) -> Installed:
        """Checks, unpacks and loads a package, and waits for the outcome; for one that is
        installed with the same content it is `unchanged`. Raises DevServerError."""
        ...

    def versions(self, name: str) -> Mapping[str, Any]:
        """`versions` are those that were ever installed here and not taken away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A package that every instance can fetch; `is_new` when nobody had installed it."""

    sha256: str
    is_new: bool


def keep_package(
    database: Database, name: str, version: str, content: bytes, *, force: bool = False
) -> Kept:
    """Puts a package where every instance can fetch it. Raises PackageDamaged when other content
    was installed as that version, unless `force` replaces it, DatabaseUnavailable."""
    sha256 = hashlib.sha256(content).hexdigest()
    own = _own(name, version)
    row = insert(packages).values(name=name, version=version, sha256=sha256, content=content)
    with database.write() as connection:
        new = row.on_conflict_do_nothing().returning(packages.c.sha256)
        came = connection.execute(new).first() is not None
        known = connection.execute(select(packages.c.sha256).where(*own)).scalar_one()
        was_installed = not came and _was_installed(connection, name, known)
        if known != sha256 and was_installed and not force:
            raise PackageDamaged(
                f"{name} {version} is in the database with other content",
                hint="give the package a version of its own, or replace that with --force",
            )
        values = {"sha256": sha256, "content": content}
        connection.execute(update(packages).where(*own).values(values))
    return Kept(sha256=sha256, is_new=not was_installed)


def forget_package(database: Database, name: str, version: str, sha256: str) -> None:
    """Takes a package out that no instance has installed. Raises DatabaseUnavailable."""
    with database.write() as connection:
        if not _was_installed(connection, name, sha256):
            mine = (*_own(name, version), packages.c.sha256 == sha256)
            connection.execute(delete(packages).where(*mine))


def _was_installed(connection: Connection, name: str, sha256: str) -> bool:
    """False for what went to all instances and was installed by none. What no word tells of was
    installed by an instance alone."""
    words, results = desired_states.c, instance_results.c
    install = (words.plugin == name, words.action == str(Action.INSTALL))
    rows = connection.execute(select(words.revision, words.options).where(*install))
    told = [r.revision for r in rows if json.loads(r.options).get("sha256") == sha256]
    good = select(results.revision).where(
        results.revision.in_(told), results.result == str(Ending.APPLIED)
    )
    return not told or connection.execute(good.limit(1)).first() is not None


def _own(name: str, version: str) -> tuple[ColumnElement[bool], ...]:
    return packages.c.name == name, packages.c.version == version


def fetch_package(database: Database, name: str, version: str, sha256: str) -> bytes:
    """The ZIP file that was announced with that hash. Raises PackageDamaged,
    DatabaseUnavailable."""
    query = select(packages.c.content).where(*_own(name, version))
    with database.read() as connection:
        content = connection.scalar(query)
    if content is None:
        raise PackageDamaged(
            f"the database holds no package {name} {version}", hint="install it again"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise PackageDamaged(
            f"the package {name} {version} in the database is not the one that was announced: "
            f"its SHA-256 is {found[:16]}…, not {sha256[:16]}…",
            hint="nothing was installed; install it again from the file",
        )
    return bytes(content)
