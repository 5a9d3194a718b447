"""Who made what: the table `plugin_objects`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from devserver.store.objects import SchemaObject, added, bare_name, objects_of
from devserver.store.tables import metadata, plugin_objects

SCHEMA = "get_database_schema"
"""Stands for the id of a migration where a collection was made by that hook."""
_COLUMNS = plugin_objects.c


class TakenAway(Exception):
    """A migration dropped what its plugin has not made."""


class PluginObjects:
    """What a plugin made, within one transaction."""

    def __init__(self, connection: Connection, plugin: str) -> None:
        self._connection = connection
        self._plugin = plugin
        self._own = (_COLUMNS.plugin == plugin) & (_COLUMNS.migration_id != SCHEMA)

    def made(self) -> list[SchemaObject]:
        """What its migrations made, oldest first."""
        query = select(_COLUMNS.kind, _COLUMNS.name).where(self._own).order_by(_COLUMNS.id)
        return [SchemaObject(row.kind, row.name) for row in self._connection.execute(query)]

    def forget(self) -> None:
        """Its migrations have made nothing."""
        self._connection.execute(delete(plugin_objects).where(self._own))

    def record(self, migration_id: str, before: Sequence[SchemaObject]) -> list[SchemaObject]:
        """Writes down what a migration made and dropped since `before`; gives what there is now.
        Raises TakenAway."""
        after = objects_of(self._connection)
        for one in added(after, before):
            self._gone(one)
        made = added(before, after)
        for one in made:  # what was dropped by hand is recorded still
            self._connection.execute(delete(plugin_objects).where(_is(one)))
        if made:
            rows = [
                {"plugin": self._plugin, "migration_id": migration_id, **one._asdict()}
                for one in made
            ]
            self._connection.execute(insert(plugin_objects), rows)
        return after

    def _gone(self, one: SchemaObject) -> None:
        owners = set(self._connection.scalars(select(_COLUMNS.plugin).where(_is(one))))
        others = owners - {self._plugin}
        if others:
            raise TakenAway(f"it drops the {one} of {min(others)}")
        if not owners and one.kind == "table" and bare_name(one.name) in metadata.tables:
            raise TakenAway(f"it drops the {one} of the server itself")
        self._connection.execute(delete(plugin_objects).where(_is(one)))


def _is(one: SchemaObject) -> ColumnElement[bool]:
    return (_COLUMNS.kind == one.kind) & (_COLUMNS.name == one.name)
