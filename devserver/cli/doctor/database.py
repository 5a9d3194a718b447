"""The database and what plugins have in it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator

from sqlalchemy import text

from devserver.cli.findings import Finding, error, ok, warning
from devserver.cli.migrating import ProjectMigrations
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.store.address import Address, find_address
from devserver.store.database import Database
from devserver.store.upgrade import core_state

_LEAST_POSTGRESQL = 14


def reachable(project: Project) -> Iterator[Finding]:
    """Whether it can be used, and its version; nothing is made. Raises DevServerError."""
    address = find_address(project.root, read_host_settings(project.root).database)
    if address.file is not None and not address.file.exists():
        yield ok("database", f"SQLite {sqlite3.sqlite_version}, made at the first start")
        return
    yield from _file(address)
    database = Database(address)
    try:
        state = core_state(database)
        yield from _version(database)
        if not state.is_current:
            yield warning(
                "database",
                f"its tables are at {state.revision or 'nothing yet'}",
                "the next start of the server brings them up to date, or `sysctl database migrate`",
            )
        yield from _damage(database)
    finally:
        database.close()


def _file(address: Address) -> Iterator[Finding]:
    if address.file is None:
        return
    mode = stat.S_IMODE(address.file.stat().st_mode)
    if mode & 0o077:
        told = f"others may read {address.file}, which holds what plugins keep"
        yield warning("database", told, f"chmod 600 {address.file}")


def _version(database: Database) -> Iterator[Finding]:
    if database.dialect == "sqlite":
        told = f"SQLite {sqlite3.sqlite_version}"
        yield ok("database", f"{told}, {database.address} ({database.address.origin})")
        return
    with database.read() as connection:
        number = int(connection.scalar(text("SHOW server_version_num")) or 0)
    told = f"PostgreSQL {number // 10_000}.{number % 10_000}, {database.address}"
    if number // 10_000 < _LEAST_POSTGRESQL:
        hint = f"it gets no more corrections: use {_LEAST_POSTGRESQL} or newer"
        yield warning("database", told, hint)
    else:
        yield ok("database", f"{told} ({database.address.origin})")


def _damage(database: Database) -> Iterator[Finding]:
    if database.dialect != "sqlite":
        return
    with database.read() as connection:
        found = connection.scalar(text("PRAGMA quick_check(1)"))
    if found != "ok":
        told = f"{database.address.file} is damaged: {found}"
        yield error("database", told, "restore it from a backup, or move it away")


def migrations(project: Project) -> Iterator[Finding]:
    """Whether what was applied is what the files say. Raises DevServerError."""
    worked_on = ProjectMigrations(project)
    try:
        if worked_on.address.file is not None and not worked_on.address.file.exists():
            return
        document = worked_on.status()
    finally:
        worked_on.close()
    if not document["reachable"]:
        return  # told by `reachable`
    rows = document["plugins"]
    for row in rows:
        if row["drifted"]:
            told = f"{row['name']}: applied and then changed: {', '.join(row['drifted'])}"
            yield error(
                "migrations",
                told,
                "put the files back and add new ones, or in development "
                f"`sysctl database migrate {row['name']} --redo`, which drops the rows",
            )
        for one in row["diagnostics"]:
            yield (error if one["severity"] == "error" else warning)(
                "migrations", f"{row['name']}: {one['code']} {one['message']}", one["hint"]
            )
    pending = sum(len(row["pending"]) for row in rows)
    if rows:
        yield ok("migrations", f"{pending} pending; they run when their plugin is loaded")
