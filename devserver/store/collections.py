"""Collections of documents, as `get_database_schema()` of a plugin declares them.

A collection `items` of the plugin `shop` is the table `shop_items`:

    id          text, primary key: the document's own `id`, or a UUID
    document    JSON (JSONB on PostgreSQL)
    created_at  when it was inserted

and one index for each declared field, over the expression that queries use too:
`json_extract(document, '$.name')` on SQLite, `(document ->> 'name')` on PostgreSQL. The field
`id` needs none. A unique index lets any number of documents go without the field.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import DatabaseUnavailable, MigrationFailed
from devserver.core.names import normalise
from devserver.store.collection_schema import (
    BadSchema,
    Collection,
    CollectionSchema,
    Index,
    read_schema,
)
from devserver.store.database import Database
from devserver.store.failures import unavailable
from devserver.store.locks import lock
from devserver.store.plugin_migrations import LOCK
from devserver.store.plugin_objects import SCHEMA
from devserver.store.tables import plugin_objects

_DIGEST = "schema digest"
_INITIAL = "initial data"
_COLLECTION = "collection"
_COLUMNS = plugin_objects.c
Keep = Callable[[Connection, Mapping[str, Any]], None]


class Collections:
    """Makes the collections of plugins. Nothing is ever dropped but an index."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settled: dict[str, str] = {}
        """Digests of schemas that were seen made: a reload that changed nothing of it asks no
        database."""

    def apply(self, plugin: str, schema: Any, *, keep: Keep | None = None) -> dict[str, Any]:
        """Makes what `schema` (the answer of `get_database_schema()`) declares and is not there
        yet. Gives the initial values that are for no collection, each key once ever; `keep` is
        called with them in the same transaction. Raises MigrationFailed."""
        key = normalise(plugin)
        try:
            wanted = read_schema(schema)
            if self._settled.get(key) == wanted.digest:
                return {}
            values = self._made(key, wanted, keep)
            self._settled[key] = wanted.digest
            return values
        except BadSchema as error:
            hint = "correct get_database_schema()"
            raise _failure(plugin, "MIG017", str(error), hint) from None
        except DatabaseUnavailable as error:
            raise _failure(plugin, "MIG018", error.message, error.hint) from error
        except DBAPIError as error:
            problem = unavailable(error, self._database.address)
            if problem is not None:
                raise _failure(plugin, "MIG018", problem.message, problem.hint) from error
            hint = "correct get_database_schema(), or the documents"
            raise _failure(plugin, "MIG017", str(error.orig).strip(), hint) from error

    def _made(self, plugin: str, wanted: CollectionSchema, keep: Keep | None) -> dict[str, Any]:
        with self._database.read() as connection:
            known = _names(connection, plugin, _DIGEST)
            if wanted.digest in known and _is_whole(connection, plugin, wanted):
                return {}
        with self._database.write() as connection:
            lock(connection, LOCK)
            return _apply(connection, plugin, wanted, keep)


def _is_whole(connection: Connection, plugin: str, wanted: CollectionSchema) -> bool:
    """False when a table was dropped by hand."""
    there = inspect(connection)
    return all(there.has_table(c.table_of(plugin)) for c in wanted.collections)


def _apply(
    connection: Connection, plugin: str, wanted: CollectionSchema, keep: Keep | None
) -> dict[str, Any]:
    given = _names(connection, plugin, _INITIAL)
    for collection in wanted.collections:
        _make(connection, plugin, collection)
        if collection.documents and collection.name not in given:
            _fill(connection, collection.table_of(plugin), collection)
            _note(connection, plugin, _INITIAL, collection.name)
    values = {name: value for name, value in wanted.values.items() if name not in given}
    for name in values:
        _note(connection, plugin, _INITIAL, name)
    if keep is not None and values:
        keep(connection, values)
    connection.execute(
        delete(plugin_objects).where(_COLUMNS.plugin == plugin, _COLUMNS.kind == _DIGEST)
    )
    _note(connection, plugin, _DIGEST, wanted.digest)
    return values


def _make(connection: Connection, plugin: str, collection: Collection) -> None:
    table = collection.table_of(plugin)
    is_ours = table in _names(connection, plugin, _COLLECTION)
    if not inspect(connection).has_table(table):
        kind = "JSONB" if connection.dialect.name == "postgresql" else "TEXT"
        check = "" if kind == "JSONB" else " CHECK (json_valid(document))"
        zone = " WITH TIME ZONE" if kind == "JSONB" else ""
        connection.execute(
            text(
                f"CREATE TABLE {table} (id VARCHAR(255) NOT NULL PRIMARY KEY,"
                f" document {kind} NOT NULL{check},"
                f" created_at TIMESTAMP{zone} NOT NULL DEFAULT CURRENT_TIMESTAMP)"
            )
        )
        if not is_ours:
            _note(connection, plugin, _COLLECTION, table)
    elif not is_ours:
        raise BadSchema(f"collections.{collection.name}: there is a table {table} already")
    indexes = [index for index in collection.indexes if index.field != "id"]
    wanted = {index.name_in(table): index for index in indexes}
    there = _indexes(connection, table)
    for name in sorted(there - set(wanted)):
        if name.startswith((f"ix_{table}"[:50], f"uq_{table}"[:50])):
            connection.execute(text(f'DROP INDEX "{name}"'))
    for name, index in wanted.items():
        if name not in there:
            unique = "UNIQUE " if index.unique else ""
            expression = _expression(connection, index)
            # Not `text()`: a colon in the statement is no parameter.
            connection.exec_driver_sql(f'CREATE {unique}INDEX "{name}" ON {table} ({expression})')


def _expression(connection: Connection, index: Index) -> str:
    if connection.dialect.name != "postgresql":
        return f"json_extract(document, '$.{index.field}')"
    *parents, last = (f"'{part}'" for part in index.path)
    return "(" + " -> ".join(["document", *parents]) + f" ->> {last})"


def _indexes(connection: Connection, table: str) -> set[str]:
    query = (
        "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
        " AND tablename = :table"
        if connection.dialect.name == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = :table"
    )
    return set(connection.scalars(text(query), {"table": table}))


def _fill(connection: Connection, table: str, collection: Collection) -> None:
    kind = "JSONB" if connection.dialect.name == "postgresql" else "TEXT"
    connection.execute(
        text(f"INSERT INTO {table} (id, document) VALUES (:id, CAST(:document AS {kind}))"),
        [
            {"id": str(one.get("id") or uuid.uuid4()), "document": json.dumps(dict(one))}
            for one in collection.documents
        ],
    )


def _names(connection: Connection, plugin: str, kind: str) -> set[str]:
    query = select(_COLUMNS.name).where(_COLUMNS.plugin == plugin, _COLUMNS.kind == kind)
    return set(connection.scalars(query))


def _note(connection: Connection, plugin: str, kind: str, name: str) -> None:
    row = {"plugin": plugin, "migration_id": SCHEMA, "kind": kind, "name": name}
    connection.execute(insert(plugin_objects).values(**row))


def _failure(plugin: str, code: str, message: str, hint: str | None) -> MigrationFailed:
    found = Diagnostic(
        code=code, severity=Severity.ERROR, message=message, plugin=plugin, hint=hint
    )
    return MigrationFailed(message, hint=hint, diagnostics=[found])
