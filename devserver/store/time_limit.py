"""Ends statements that take too long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_OFTEN = 10_000
"""Steps of SQLite's machine between two looks at the clock."""
_STATES = frozenset({"57014", "55P03"})


@contextmanager
def time_limit(connection: Connection, seconds: float | None) -> Iterator[None]:
    """What a statement inside waits for or works on is given up after `seconds`, and it fails; on
    SQLite the time is that of all of them together. None: no limit."""
    if seconds is None:
        yield
    elif connection.dialect.name == "postgresql":
        limit = max(1, round(seconds * 1000))
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {limit}")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {limit}")
        yield
    else:
        deadline = time.monotonic() + seconds
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.set_progress_handler(lambda: time.monotonic() > deadline, _OFTEN)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)


def is_timeout(error: DBAPIError) -> bool:
    """Whether a statement failed because its time was up."""
    return getattr(error.orig, "sqlstate", None) in _STATES or str(error.orig) == "interrupted"
