"""One database: connections, transactions, and what goes wrong with them."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from devserver.core.errors import DatabaseUnavailable
from devserver.store.address import Address
from devserver.store.failures import unavailable

_WAIT = 5.0
"""Seconds that a lock, or a server, is waited for."""
_PAUSE = 0.01  # seconds between two tries
_RETRY = 0.5
"""Seconds in which a database that could not be made ready is not tried again."""
_READS = re.compile(r"(\s|\(|--.*\n)*(SELECT|PRAGMA|EXPLAIN|VALUES|WITH)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
POSTGRES_OPTIONS: dict[str, Any] = {
    "application_name": "devserver",
    "connect_timeout": int(_WAIT),
    # A network that swallows everything is noticed in seconds, not in the system's 15 minutes;
    # what acknowledges and does not answer, by WatchedConnection.
    "tcp_user_timeout": int(_WAIT * 2 * 1000),
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""What every connection to PostgreSQL is opened with."""


class Database:
    """Opens connections when they are asked for; making it touches nothing.

    Every block is one transaction: it is committed at the end, or rolled back when the block
    raises. The blocks raise DatabaseUnavailable with the reason and the way out when the
    database cannot be used; what is wrong with a statement is raised as SQLAlchemy has it.

    `prepare(database, replaced)` makes it ready: it is called before its first block, again after
    a failure, and when another file has taken the place of SQLite's (True then). Nobody else has
    a block before it returns. `never` is why it is not to be used at all.
    """

    def __init__(
        self,
        address: Address,
        *,
        prepare: Callable[[Database, bool], None] | None = None,
        never: DatabaseUnavailable | None = None,
    ) -> None:
        self.address = address
        self._never = never
        self._prepare = prepare
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.RLock()
        self._unready = never
        self._failure: DatabaseUnavailable | None = None
        self._is_ready = self._replaced = False
        self._tried = 0.0

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return "sqlite" if self.address.is_sqlite else "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """For statements that change nothing."""
        with self._block({}) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """For statements that change something; on SQLite the only writer from the beginning."""
        with self._block({"immediate": True}) as connection:
            yield connection

    @contextmanager
    def told(self) -> Iterator[None]:
        """What the database refuses inside is raised as DatabaseUnavailable."""
        try:
            yield
        except DBAPIError as error:
            found = unavailable(error, self.address)
            if found is None:
                raise
            raise found from error

    @property
    def problem(self) -> DatabaseUnavailable | None:
        """Why it was not ready when that was tried last."""
        return self._unready

    def _tell(self, context: ExceptionContext) -> DatabaseUnavailable | None:
        """For connections that are given away: nobody has `told` around what is done there."""
        error, connection = context.sqlalchemy_exception, context.connection
        if not isinstance(error, DBAPIError) or connection is None:
            return None
        options = connection.get_execution_options()
        return unavailable(error, self.address) if options.get("told") else None

    def engine(self) -> Engine:
        """The engine of a database that is ready. Raises DatabaseUnavailable."""
        with self._lock:
            try:
                return self._opened()
            except DatabaseUnavailable as error:
                self._unready = error
                raise

    def _opened(self) -> Engine:
        if self._never is not None:
            raise self._never
        if self._file is not None and _identity(self.address) != self._file:
            self.close()
            self._replaced |= self._is_ready
            self._file, self._is_ready = None, False
        if self._engine is None:
            self._engine = _engine(self.address)
            event.listen(self._engine, "handle_error", self._tell, retval=True)
            self._file = _identity(self.address)
        engine = self._engine
        if self._prepare is not None and not self._is_ready:
            self._make_ready(self._prepare)
        self._unready = None
        return engine

    def _make_ready(self, prepare: Callable[[Database, bool], None]) -> None:
        """Raises DatabaseUnavailable; the same for a while, so that nobody waits long."""
        if self._failure is not None and time.monotonic() - self._tried < _RETRY:
            raise self._failure
        self._is_ready = True  # for what makes it ready
        try:
            prepare(self, self._replaced)
        except BaseException as error:  # whatever it is, the next block tries again
            self._is_ready = False
            self._failure = error if isinstance(error, DatabaseUnavailable) else None
            raise
        finally:
            self._tried = time.monotonic()
        self._failure, self._replaced = None, False

    def close(self) -> None:
        """Closes every connection; a later block opens new ones."""
        with self._lock:
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.dispose()

    @contextmanager
    def _block(self, options: dict[str, Any]) -> Iterator[Connection]:
        engine = self.engine().execution_options(**options)
        with self.told(), engine.begin() as connection:
            yield connection


def _identity(address: Address) -> tuple[int, int] | None:
    """Which file SQLite's is; None where there is none."""
    if address.file is None:
        return None
    try:
        found = address.file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _engine(address: Address) -> Engine:
    try:
        if not address.is_sqlite:
            return _postgres_engine(address)
        if address.file is not None:
            address.file.parent.mkdir(parents=True, exist_ok=True)
            address.file.touch(mode=0o600)  # what plugins keep is nobody else's
        engine = create_engine(address.url, connect_args={"timeout": _WAIT})
    except (ImportError, NoSuchModuleError) as error:
        raise DatabaseUnavailable(
            f"the driver of {address} is not installed",
            hint="pip install 'sysctl-devserver[postgres]'",
        ) from error
    except OSError as error:
        raise DatabaseUnavailable(
            f"the database {address} cannot be opened: {error.strerror}",
            hint="check the folder and its permissions",
        ) from error
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "before_cursor_execute", _begin_as_needed)
    return engine


def _postgres_engine(address: Address) -> Engine:
    from devserver.store.postgres import Door  # its driver is an extra

    door = Door()
    engine = create_engine(address.url, pool_pre_ping=True, connect_args=POSTGRES_OPTIONS)
    event.listen(engine, "do_connect", lambda _d, _r, args, more: door.connect(*args, **more))
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would begin transactions by itself, and not before a CREATE TABLE.
    connection.isolation_level = None
    _journal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _journal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for a lock when it changes the journal, which the first who opens a
    database does."""
    last = time.monotonic() + _WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("as_needed"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("immediate") else "BEGIN")


def _begin_as_needed(
    _connection: Connection, cursor: sqlite3.Cursor, statement: str, *_more: Any
) -> None:
    """One that begins to read cannot always go on to write; one that begins to write waits for
    its turn."""
    if not cursor.connection.in_transaction and not statement.startswith("BEGIN"):
        reads = _READS.match(statement) is not None and _WRITES.search(statement) is None
        cursor.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
