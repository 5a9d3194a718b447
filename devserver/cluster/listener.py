"""Hears PostgreSQL's notifications, and can be woken from inside."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from devserver.cluster.words import CHANNEL
from devserver.core.errors import DatabaseUnavailable
from devserver.store.address import Address
from devserver.store.database import POSTGRES_OPTIONS
from devserver.store.failures import unavailable

if TYPE_CHECKING:
    from psycopg import Connection


class Listener:
    """A connection of its own, used by one thread; `wake` and `close` may come from any."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._bell, self._rope = socket.socketpair()
        for end in (self._bell, self._rope):
            end.setblocking(False)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears inside of the block. Raises DatabaseUnavailable when it cannot."""
        with self._told():
            connection = self._open()
        self._connection = connection
        try:
            yield
        finally:
            self._connection = None
            connection.close()

    def _open(self) -> Connection:
        from devserver.store.postgres import Door  # its driver is an extra

        # libpq's own form of the address, with whatever options it has.
        url = self._address.url.set(drivername="postgresql")
        connection = Door().connect(
            url.render_as_string(hide_password=False), autocommit=True, **POSTGRES_OPTIONS
        )
        try:
            connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:  # whatever it is: the connection must not be left open
            connection.close()
            raise
        return connection

    def wait(self, timeout: float) -> None:
        """Returns when something was said, when it is woken, or after `timeout` seconds; what
        had come before returns at once. Raises DatabaseUnavailable when nothing can be heard
        any more."""
        connection = self._connection
        with selectors.DefaultSelector() as selector, self._told():
            selector.register(self._bell, selectors.EVENT_READ)
            if connection is not None:
                selector.register(connection.fileno(), selectors.EVENT_READ)
            if not selector.select(timeout) and connection is not None:
                connection.execute("SELECT 1")  # a connection may die without a sound
            if connection is not None:
                connection.pgconn.consume_input()
                while connection.pgconn.notifies():
                    pass
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)

    def wake(self) -> None:
        """Ends a wait, or the next one."""
        with contextlib.suppress(BlockingIOError, OSError):  # full, or closed: it is awake
            self._rope.send(b".")

    def close(self) -> None:
        """Not to be used any more."""
        self._bell.close()
        self._rope.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            found = unavailable(DBAPIError("LISTEN", None, error), self._address)
            if found is None:
                found = DatabaseUnavailable(f"the database {self._address} refuses: {error}")
            raise found from error
