"""The records of plugins: the operator's word for each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from devserver.core.lifecycle import DesiredState
from devserver.core.names import normalise
from devserver.store.database import Database
from devserver.store.locks import lock
from devserver.store.tables import plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlugin:
    """A plugin as it was seen last. `name` is the folder's spelling."""

    name: str
    version: str = ""
    description: str | None = None
    is_core: bool = False
    status: DesiredState = DesiredState.ACTIVE

    @property
    def key(self) -> str:
        return normalise(self.name)


class Records:
    """Table `plugins`. Everything raises DatabaseUnavailable when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, StoredPlugin]:
        """Every plugin that was ever seen, by key."""
        with self._database.read() as connection:
            return _all(connection)

    def see(self, seen: Iterable[StoredPlugin]) -> None:
        """Notes plugins as they are now. A new one is active; what the operator said of a known
        one stays, whatever `status` says here."""
        seen = tuple(seen)
        known = self.all()
        if all(_is_same(known.get(one.key), one) for one in seen):
            return
        with self._database.write() as connection:
            lock(connection, "plugins")
            known = _all(connection)
            for one in seen:
                _note(connection, known.get(one.key), one)

    def set_status(self, names: Iterable[str], status: DesiredState) -> None:
        """Keeps the operator's word for all of `names`, of plugins that were never seen, too."""
        words = dict.fromkeys(names, status)
        self.put_words(lambda: words)

    def put_words(
        self, words: Callable[[], Mapping[str, DesiredState]]
    ) -> Mapping[str, DesiredState]:
        """Keeps the operator's words, by name, and gives them. `words` is asked when nobody else
        can write any more."""
        with self._database.write() as connection:
            lock(connection, "plugins")
            known = _all(connection)
            said = words()
            for name, status in said.items():
                old = known.get(normalise(name))
                if old is None:
                    _insert(connection, StoredPlugin(name=name, status=status))
                    continue
                values = {"status": str(status), "updated_at": func.current_timestamp()}
                mine = plugins.c.name == old.name
                connection.execute(update(plugins).where(mine).values(values))
        return said


def _all(connection: Connection) -> dict[str, StoredPlugin]:
    columns = plugins.c
    rows = connection.execute(
        select(
            columns.name, columns.version, columns.description, columns.is_core, columns.status
        ).order_by(columns.name)
    )
    found = (
        StoredPlugin(
            name=row.name,
            version=row.version,
            description=row.description,
            is_core=row.is_core,
            # Only one word keeps a plugin out of service; what else stands there is not known.
            status=DesiredState.INACTIVE if row.status == "inactive" else DesiredState.ACTIVE,
        )
        for row in rows
    )
    return {one.key: one for one in found}


def _is_same(known: StoredPlugin | None, seen: StoredPlugin) -> bool:
    return known is not None and _facts(known) == _facts(seen)


def _facts(plugin: StoredPlugin) -> dict[str, object]:
    """What is seen of a plugin, within what the columns hold."""
    return {
        "name": plugin.name[:255],
        "version": plugin.version[:100],
        "description": plugin.description,
        "is_core": plugin.is_core,
    }


def _note(connection: Connection, known: StoredPlugin | None, seen: StoredPlugin) -> None:
    if known is None:
        _insert(connection, seen)
    elif not _is_same(known, seen):
        values = {**_facts(seen), "updated_at": func.current_timestamp()}
        connection.execute(update(plugins).where(plugins.c.name == known.name).values(values))


def _insert(connection: Connection, plugin: StoredPlugin) -> None:
    values = {"id": str(uuid.uuid4()), "status": str(plugin.status), **_facts(plugin)}
    connection.execute(insert(plugins).values(values))
