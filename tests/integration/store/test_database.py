"""Connections and transactions."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import pytest
from sqlalchemy import text

from devserver.store.database import Database
from devserver.store.work import WorkConnections
from tests.integration.store.conftest import open_database


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (n int)"))
    with pytest.raises(ZeroDivisionError), database.write() as connection:  # noqa: PT012
        connection.execute(text("INSERT INTO t VALUES (1)"))
        connection.execute(text("CREATE TABLE u (n int)"))
        raise ZeroDivisionError
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
    with database.write() as connection:
        connection.execute(text("CREATE TABLE u (n int)"))


def test_the_file_is_the_users_own(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (n int)"))
    file = database.address.file
    assert file is not None
    for path in file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    database.close()


def test_one_that_opens_a_new_file_while_another_writes_waits_for_it(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    assert database.address.file is not None
    database.address.file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database.address.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(1) as pool:
            opened = pool.submit(database.engine().connect)
            assert not wait([opened], timeout=0.3).done
            other.execute("ROLLBACK")
            opened.result(10).close()
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET n = 2",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "CREATE TABLE u (n int)",
        "/* first */ DELETE FROM t",
    ],
)
def test_work_that_begins_to_write_is_the_only_writer(sqlite_url: str, statement: str) -> None:
    database = open_database(sqlite_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (n int)"))
    work = WorkConnections(database)
    reading, end_reading = work.connect()
    reading.execute(text("  -- a comment\n SELECT * FROM t")).all()
    writing, end_writing = work.connect()
    writing.execute(text(statement))
    raw = database.engine().raw_connection()
    raw.execute("PRAGMA busy_timeout=0")  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="database is locked"):
        raw.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
    end_writing(False)
    raw.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
    raw.rollback()
    raw.close()
    end_reading(False)
    database.close()
