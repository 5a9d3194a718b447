"""The objects of a SQLite database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from devserver.store.sqlite_alter import quoted

_LISTED = """
SELECT type, name FROM sqlite_master
WHERE substr(name, 1, 7) <> 'sqlite_' AND type IN ('table', 'index', 'view', 'trigger')
  AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
ORDER BY rowid
"""
_ORDER = ("trigger", "view", "index", "table")


def listed(connection: Connection) -> list[tuple[str, str]]:
    """(kind, name), oldest first; without what SQLite makes by itself."""
    return [(row.type, row.name) for row in connection.exec_driver_sql(_LISTED)]


def drop(connection: Connection, made: Sequence[tuple[str, str]]) -> str | None:
    """Drops all; gives why nothing was dropped, if so. A dropped table takes no rows of other
    tables along."""
    tables = [name for kind, name in made if kind == "table"]
    foreign = _referring(connection, tables)
    if foreign:
        return foreign
    run = connection.exec_driver_sql
    # The rows go first, in any order: what refers to them goes in the same transaction.
    run("PRAGMA defer_foreign_keys = ON")
    for wanted in _ORDER:
        for kind, name in reversed(made):
            if kind == wanted and wanted != "table":
                run(f"DROP {kind} IF EXISTS {quoted(name)}")
    for name in tables:
        if not _is_virtual(connection, name):
            run(f"DELETE FROM {quoted(name)}")
    for name in reversed(tables):
        run(f"DROP TABLE IF EXISTS {quoted(name)}")
    return None


def _is_virtual(connection: Connection, table: str) -> bool:
    found = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).scalar()
    return str(found).upper().startswith("CREATE VIRTUAL")


def _referring(connection: Connection, tables: Sequence[str]) -> str | None:
    """A table of somebody else with a foreign key to one of `tables`."""
    known = {name.lower() for name in tables}
    for kind, name in listed(connection):
        if kind != "table" or name.lower() in known:
            continue
        for key in connection.exec_driver_sql(f"PRAGMA foreign_key_list({quoted(name)})"):
            if str(key.table).lower() in known:
                return f"the table {name} has a foreign key to {key.table}"
    return None
