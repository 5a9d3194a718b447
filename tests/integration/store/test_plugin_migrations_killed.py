"""A process that is killed in the middle of migrations."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from devserver.store.plugin_migrations import PluginMigrations
from devserver.store.upgrade import upgrade
from tests.integration.store.conftest import open_database

CHILD = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from devserver.store import translation
from devserver.store.plugin_migrations import PluginMigrations
from tests.integration.store.conftest import open_database

url, folder, deed = sys.argv[1], Path(sys.argv[2]), sys.argv[3]

def run(last):
    database = open_database(url)
    points = 0

    def reached(*_):
        nonlocal points
        points += 1
        if points == last:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine(), "after_cursor_execute", reached)
    event.listen(database.engine(), "commit", reached)
    getattr(PluginMigrations(database), deed)("p", folder, development=True)

# Importing takes long, so that happens once; each run is a process of its own.
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        try:
            run(int(line))
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
OLD = {
    "0001_init.sql": "CREATE TABLE items (id SERIAL PRIMARY KEY, x INT);"
    "INSERT INTO items (x) VALUES (1)"
}
NEW = {
    "0002_more.sql": "CREATE TABLE more (x INT); INSERT INTO items (x) VALUES (2)",
    "0003_last.sql": "ALTER TABLE items ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT now();"
    "CREATE INDEX i ON items (at); INSERT INTO more VALUES (3)",
}


@contextmanager
def deeds(url: str, folder: Path, deed: str) -> Iterator[Callable[[int], int]]:
    """Does `deed` in a process that kills itself at the given point; gives its exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(folder), deed],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(last: int) -> int:
            print(last, file=stdin, flush=True)
            return int(stdout.readline())

        yield run
        stdin.close()


def state(url: str) -> dict[str, object]:
    """What is recorded beside what is there."""
    database = open_database(url)
    with database.read() as connection:
        found = inspect(connection)
        answer = {
            "applied": list(
                connection.scalars(text("SELECT migration_id FROM plugin_migrations ORDER BY 1"))
            ),
            "objects": sorted(connection.scalars(text("SELECT name FROM plugin_objects"))),
            "tables": sorted({"items", "more"} & set(found.get_table_names())),
            "columns": [column["name"] for column in found.get_columns("items")],
            "rows": list(connection.scalars(text("SELECT x FROM items ORDER BY id"))),
        }
        if database.dialect == "sqlite":
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    database.close()
    return answer


@pytest.mark.timeout(300)
@pytest.mark.parametrize("deed", ["apply", "redo"])
def test_killed_anywhere_all_of_it_is_there_or_nothing(
    database_url: str, tmp_path: Path, deed: str
) -> None:
    database = open_database(database_url)
    upgrade(database)
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, sql in OLD.items():
        (folder / name).write_text(sql)
    PluginMigrations(database).apply("p", folder, development=True)
    with database.write() as connection:
        connection.execute(text("INSERT INTO items (x) VALUES (99)"))
    database.close()
    for name, sql in NEW.items():
        (folder / name).write_text(sql)
    before = state(database_url)
    assert before["rows"] == [1, 99]
    died = 0
    with deeds(database_url, folder, deed) as run:
        while (code := run(died + 1)) == -signal.SIGKILL:
            died += 1
            assert state(database_url) == before, f"killed at {died}"
    assert code == 0
    assert died > 15
    after = state(database_url)
    assert after["applied"] == ["0001_init", "0002_more", "0003_last"]
    assert after["tables"] == ["items", "more"]
    assert after["columns"] == ["id", "x", "at"]
    assert after["rows"] == ([1, 99, 2] if deed == "apply" else [1, 2])
