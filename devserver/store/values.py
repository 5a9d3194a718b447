"""Values by plugin and key: configuration that was set at run time, and data of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from devserver.core.values import Changes, check_keys
from devserver.store.database import Database
from devserver.store.tables import configuration_overrides, plugin_data


class Values:
    """One of the two tables. A value is JSON text; None takes a key out.

    Everything raises DatabaseUnavailable when the database cannot be used, and what writes
    ValueError for a key that is too long.
    """

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    def find(self, plugin: str, key: str) -> str | None:
        """The value, None where there is none."""
        columns = self._table.c
        statement = select(columns.value).where(columns.plugin == plugin, columns.key == key)
        with self._database.read() as connection:
            found: str | None = connection.scalar(statement)
            return found

    def all(self, plugin: str) -> dict[str, str]:
        """Every value of a plugin by key."""
        columns = self._table.c
        statement = select(columns.key, columns.value).where(columns.plugin == plugin)
        with self._database.read() as connection:
            return {row.key: row.value for row in connection.execute(statement.order_by("key"))}

    def put(self, plugin: str, values: Mapping[str, str | None]) -> None:
        """Keeps all of `values`, or none when something fails."""
        if not values:
            return
        with self._database.write() as connection:
            self.put_with(connection, plugin, values)

    def put_with(
        self, connection: Connection, plugin: str, values: Mapping[str, str | None]
    ) -> None:
        """As `put`, as part of a transaction."""
        table = self._table
        check_keys(values)
        gone = [key for key, value in values.items() if value is None]
        if gone:
            mine = (table.c.plugin == plugin) & table.c.key.in_(gone)
            connection.execute(delete(table).where(mine))
        kept = [
            {"plugin": plugin, "key": key, "value": value}
            for key, value in sorted(values.items())
            if value is not None
        ]
        if kept:
            connection.execute(_upsert(connection, table), kept)


class PluginValues:
    """Overrides and data of all plugins; what changes together is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._overrides = overrides_in(database)
        self._data = data_in(database)

    def overrides(self, plugin: str) -> dict[str, str]:
        """All configuration overrides of a plugin, as JSON text by key."""
        return self._overrides.all(plugin)

    def find_data(self, plugin: str, key: str) -> str | None:
        """JSON text, None where there is none."""
        return self._data.find(plugin, key)

    def put(self, changes: Mapping[str, Changes]) -> None:
        """Keeps the changes of all these plugins, or none of them."""
        with self._database.write() as connection:
            for plugin in sorted(changes):
                self._overrides.put_with(connection, plugin, changes[plugin].config)
                self._data.put_with(connection, plugin, changes[plugin].data)


def overrides_in(database: Database) -> Values:
    """Configuration overrides."""
    return Values(database, configuration_overrides)


def data_in(database: Database) -> Values:
    """Data of plugins."""
    return Values(database, plugin_data)


def _upsert(connection: Connection, table: Table) -> Any:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    return statement.on_conflict_do_update(
        index_elements=["plugin", "key"],
        set_={"value": statement.excluded.value, "updated_at": func.current_timestamp()},
    )
