"""Connections for plugin code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from devserver.core.errors import CommitFailed
from devserver.store.database import Database


class WorkConnections:
    """Each is one transaction, which begins with its first statement: on SQLite as the only
    writer when that statement writes. Whoever takes one ends it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def connect(self) -> tuple[Connection, Callable[[bool], None]]:
        """A connection, and what ends it: it commits, or rolls back for True. Both raise
        DatabaseUnavailable, the end CommitFailed too."""
        with self._database.told():
            engine = self._database.engine().execution_options(as_needed=True, told=True)
            connection = engine.connect()

        def settle(failed: bool) -> None:
            with self._database.told(), connection:
                if failed:
                    connection.rollback()
                    return
                try:
                    with self._database.told():
                        connection.commit()
                except DBAPIError as error:
                    raise CommitFailed(
                        f"the commit was refused: {str(error.orig).splitlines()[0]}",
                        hint="a deferred constraint does not hold, or two transactions conflict",
                    ) from error

        return connection, settle

    def write(self) -> AbstractContextManager[Connection]:
        """See Database."""
        return self._database.write()
