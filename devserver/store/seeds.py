"""`seed(db)` of plugins: once each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, insert, select

from devserver.core.names import normalise
from devserver.store.database import Database
from devserver.store.locks import lock
from devserver.store.tables import plugin_seeds


class Seeds:
    """Knows whose `seed(db)` has been run. `sysctl database migrate NAME --redo` forgets it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_done(self, plugin: str) -> bool:
        """Whether the plugin was seeded. Raises DatabaseUnavailable."""
        with self._database.read() as connection:
            return _is_done(connection, normalise(plugin))

    @contextmanager
    def once(self, plugin: str) -> Iterator[Connection | None]:
        """Gives the connection to seed with; None when the plugin was seeded before. What the
        block writes is committed at its end with the record of it; when the block raises, neither
        is kept, and the next time is the first again. On SQLite nothing else can write while the
        block runs. Raises DatabaseUnavailable."""
        key = normalise(plugin)
        if self.is_done(key):
            yield None
            return
        with self._database.write() as connection:
            # Another instance may have done it meanwhile.
            yield connection if self.claim(connection, key) else None

    def claim(self, connection: Connection, plugin: str) -> bool:
        """Records the plugin as seeded, in the transaction of the caller, who then seeds in it;
        False when it was before. Waits for another instance that is at it."""
        key = normalise(plugin)
        lock(connection, f"seed {key}")
        if _is_done(connection, key):
            return False
        connection.execute(insert(plugin_seeds).values(plugin=key))
        return True


def _is_done(connection: Connection, key: str) -> bool:
    query = select(plugin_seeds.c.plugin).where(plugin_seeds.c.plugin == key)
    return connection.execute(query).first() is not None
