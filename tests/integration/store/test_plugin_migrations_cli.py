"""`sysctl database`, and what it says when the database cannot be used."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from devserver.cli.main import main
from devserver.store.upgrade import upgrade
from tests.integration.store.conftest import execute, open_database

Sysctl = Callable[..., tuple[int, str, str]]
INIT = """CREATE TABLE {name}_items (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / "plugins").mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr("sys.argv", ["sysctl"])
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("SYSCTL_DATABASE_URL", raising=False)
    return root


@pytest.fixture
def sysctl(project: Path, capsys: pytest.CaptureFixture[str]) -> Sysctl:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return code, printed.out, printed.err

    return run


@pytest.fixture
def used(
    project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], list[Any]]]:
    """The project's database, each of the two; runs queries."""
    monkeypatch.setenv("SYSCTL_DATABASE_URL", database_url)
    database = open_database(database_url)

    def query(sql: str) -> list[Any]:
        with database.read() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    yield query
    database.close()


def add_plugin(project: Path, name: str, *, needs: str = "", **files: str) -> Path:
    folder = project / "plugins" / name
    (folder / "migrations").mkdir(parents=True)
    line = f"import plugins.{needs}.plugin\n" if needs else ""
    (folder / "plugin.py").write_text(line + "raise SystemExit('this is never executed')\n")
    for file, sql in files.items():
        (folder / "migrations" / f"{file.removeprefix('m')}.sql").write_text(sql)
    return folder / "migrations"


def test_status_of_nothing_makes_nothing(sysctl: Sysctl, project: Path) -> None:
    add_plugin(project, "users", m0001_init=INIT.format(name="users"))
    code, out, err = sysctl("database", "status")
    assert (code, err) == (0, "")
    assert "not made yet" in out
    assert [line.split() for line in out.splitlines()][-1] == ["users", "0", "0001_init", "-"]
    assert sysctl("database", "migrate", "--dry-run")[0] == 0
    assert not (project / "instance").exists()


def test_migrate_applies_once_and_status_tells(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]]
) -> None:
    add_plugin(project, "my-users", m0001_init=INIT.format(name="users"))
    code, out, err = sysctl("database", "migrate")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["core tables: brought to 0001", "my-users: applied 0001_init"]
    assert used("SELECT plugin, migration_id FROM plugin_migrations") == [("my_users", "0001_init")]
    code, out, _ = sysctl("database", "migrate", "my_users")
    assert out.splitlines() == ["core tables: up to date at 0001", "my-users: nothing to do"]
    document = json.loads(sysctl("database", "status", "--json")[1])
    assert document["reachable"] is True
    assert document["core"] == {"revision": "0001", "head": "0001", "current": True}
    [row] = document["plugins"]
    assert row["name"] == "my-users"
    assert (row["applied"], row["pending"], row["drifted"]) == (["0001_init"], [], [])


def test_status_names_what_drifted_what_is_pending_and_what_went_away(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]]
) -> None:
    folder = add_plugin(project, "users", m0001_init="CREATE TABLE a (x INT)")
    add_plugin(project, "gone", m0001_init="CREATE TABLE b (x INT)")
    sysctl("database", "migrate")
    (folder / "0001_init.sql").write_text("CREATE TABLE a (y INT)")
    (folder / "0002_more.sql").write_text("SELECT 1")
    (project / "plugins" / "gone").rename(project / "away")
    code, out, _ = sysctl("database", "status")
    assert code == 0
    gone, users = out.splitlines()[-2:]
    assert gone.split(maxsplit=4) == ["gone", "1", "-", "-", "no longer in plugins/"]
    assert users.split()[:4] == ["users", "1", "0002_more", "0001_init"]
    assert "MIG001" in users
    code, out, err = sysctl("database", "migrate")
    assert code == 1
    assert "error MIG001" in err
    assert "plugins/users/migrations/0001_init.sql" in err
    assert "sysctl database migrate users --redo" in err


def test_redo_runs_a_changed_migration_again(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]]
) -> None:
    folder = add_plugin(project, "users", m0001_init="CREATE TABLE a (x INT)")
    sysctl("database", "migrate")
    (folder / "0001_init.sql").write_text("CREATE TABLE a (y INT)")
    code, out, _ = sysctl("database", "migrate", "users", "--redo", "--dry-run")
    assert code == 0
    assert "CREATE TABLE a (y INT" in out
    code, out, err = sysctl("database", "migrate", "users", "--redo")
    assert (code, err) == (0, "")
    assert "users: applied 0001_init" in out
    assert used("SELECT y FROM a") == []


def test_redo_is_refused_outside_of_development_mode(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]]
) -> None:
    add_plugin(project, "users", m0001_init="CREATE TABLE a (x INT)")
    sysctl("database", "migrate")
    (project / "config").mkdir()
    (project / "config" / "hot-loading.yaml").write_text("hot_loading: {development_mode: false}\n")
    code, _, err = sysctl("database", "migrate", "users", "--redo")
    assert code == 1
    assert "development mode only" in err
    assert "hint: set hot_loading.development_mode: true" in err
    assert used("SELECT x FROM a") == []


def test_a_dry_run_shows_the_sql_of_this_database_and_changes_nothing(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]], database_url: str
) -> None:
    add_plugin(project, "users", m0001_init=INIT.format(name="users"))
    code, out, _ = sysctl("database", "migrate", "--dry-run")
    assert code == 0
    assert "-- plugins/users/migrations/0001_init.sql" in out
    assert ("AUTOINCREMENT" in out) == database_url.startswith("sqlite")
    document = json.loads(sysctl("database", "migrate", "--dry-run", "--json")[1])
    assert document["dry_run"] is True
    assert document["plugins"][0]["pending"][0]["id"] == "0001_init"
    status = json.loads(sysctl("database", "status", "--json")[1])
    assert status["core"]["revision"] is None


def test_plugins_go_after_what_they_depend_on(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]]
) -> None:
    add_plugin(project, "a", needs="z", m0001_init="CREATE TABLE a (z INT REFERENCES z (id))")
    folder = add_plugin(project, "z", m0001_init="CREATE TABLE z (id INT); CREATE TABL oops")
    add_plugin(project, "b", m0001_init="CREATE TABLE b (x INT)")
    code, out, err = sysctl("database", "migrate")
    assert code == 1
    assert "b: applied 0001_init" in out
    assert "a was not tried: it depends on z, which failed" in err
    (folder / "0001_init.sql").write_text("CREATE TABLE z (id INT PRIMARY KEY)")
    code, out, err = sysctl("database", "migrate")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "b: nothing to do",
        "z: applied 0001_init",
        "a: applied 0001_init",
    ]


def test_a_failure_as_json_is_one_document(sysctl: Sysctl, project: Path) -> None:
    add_plugin(project, "users", m0001_init="CREATE TABLE a (x INT);\nCOMMIT;")
    code, out, _ = sysctl("database", "migrate", "--json")
    assert code == 1
    [row] = json.loads(out)["plugins"]
    assert row["diagnostics"][0]["code"] == "MIG009"
    assert row["diagnostics"][0]["line"] == 2
    assert row["error"]


def test_wrong_calls(sysctl: Sysctl, project: Path) -> None:
    assert sysctl("database", "migrate", "--redo")[0] == 2
    code, _, err = sysctl("database", "migrate", "nobody")
    assert code == 3
    assert "no plugin named 'nobody'" in err
    assert not (project / "instance").exists()
    for command in ("status", "migrate"):
        assert f"sysctl database {command}" in sysctl("database", command, "--help")[1]


def test_a_password_is_never_shown(
    sysctl: Sysctl, project: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = postgres_url.replace("postgres@", "postgres:hunter2@")
    monkeypatch.setenv("SYSCTL_DATABASE_URL", secret)
    add_plugin(project, "users", m0001_init="SELEKT 1")
    for arguments in (("status",), ("status", "--json"), ("migrate",), ("migrate", "--json")):
        _, out, err = sysctl("database", *arguments)
        assert "hunter2" not in out + err
    assert "postgres:***@" in sysctl("database", "status")[1]


# -- databases that cannot be used ---------------------------------------------------------------


def told(sysctl: Sysctl, *arguments: str) -> str:
    """What a failing command says; it exits with 1 and names the next step."""
    code, out, err = sysctl("database", *arguments)
    assert code == 1, out + err
    assert "error: " in err
    assert "hint: " in err
    return err


def test_a_server_that_is_not_there(
    sysctl: Sysctl, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/x")
    add_plugin(project, "users", m0001_init="SELECT 1")
    for arguments in (("status",), ("migrate",), ("migrate", "--dry-run")):
        err = told(sysctl, *arguments)
        assert "cannot be reached" in err
        assert "SYSCTL_DATABASE_URL" in err
        assert "hunter2" not in err
    document = json.loads(sysctl("database", "status", "--json")[1])
    assert document["reachable"] is False
    assert "cannot be reached" in document["error"]


def test_a_user_and_a_database_that_are_not_there(
    sysctl: Sysctl, project: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", postgres_url.replace("postgres@", "nobody:x@"))
    assert "refuses the user or password" in told(sysctl, "status")
    monkeypatch.setenv("SYSCTL_DATABASE_URL", postgres_url + "_not")
    err = told(sysctl, "migrate")
    assert "is not there on its server" in err
    assert "createdb" in err


def test_a_database_of_a_newer_program(
    sysctl: Sysctl, used: Callable[[str], list[Any]], database_url: str
) -> None:
    database = open_database(database_url)
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    for command in ("status", "migrate"):
        err = told(sysctl, command)
        assert "is of a newer version of this program" in err
        assert "update this program" in err


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Another process holds the database."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


def test_a_database_that_another_process_holds(
    sysctl: Sysctl, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.store.database._WAIT", 0.2)
    folder = add_plugin(project, "users", m0001_init="CREATE TABLE a (x INT)")
    sysctl("database", "migrate")
    (folder / "0002_more.sql").write_text("CREATE TABLE b (x INT)")
    with held(project / "instance" / "devserver.sqlite"):
        err = told(sysctl, "migrate")
        assert "is locked by another program" in err
        assert "fuser" in err
        assert sysctl("database", "status")[0] == 0
    assert sysctl("database", "migrate")[0] == 0


@contextmanager
def prepared(pragma: str) -> Iterator[None]:
    """Every new connection to SQLite begins with a PRAGMA."""

    def prepare(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(pragma)

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)


def test_a_disk_that_is_full(sysctl: Sysctl, project: Path) -> None:
    folder = add_plugin(project, "users", m0001_init="CREATE TABLE a (x TEXT)")
    sysctl("database", "migrate")
    (folder / "0002_more.sqlite.sql").write_text(
        "CREATE TABLE b (x INT);\nINSERT INTO a VALUES (hex(zeroblob(1000000)));"
    )
    with prepared("PRAGMA max_page_count = 80"):
        err = told(sysctl, "migrate")
    assert "the disk is full" in err
    assert "0002_more.sqlite.sql:2" in err
    with closing(sqlite3.connect(project / "instance" / "devserver.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchall() == [(0,)]
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'b'").fetchall()
    assert sysctl("database", "migrate")[0] == 0


def test_a_database_that_may_only_be_read(
    sysctl: Sysctl, project: Path, used: Callable[[str], list[Any]], database_url: str
) -> None:
    folder = add_plugin(project, "users", m0001_init="CREATE TABLE a (x INT)")
    sysctl("database", "migrate")
    (folder / "0002_more.sql").write_text("CREATE TABLE b (x INT)")
    if database_url.startswith("sqlite"):
        with prepared("PRAGMA query_only = ON"):
            err = told(sysctl, "migrate")
    else:
        name = database_url.rpartition("/")[2]
        execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        err = told(sysctl, "migrate")
    assert "may not be written" in err
    assert sysctl("database", "status")[0] == 0


def test_a_file_that_is_no_database(sysctl: Sysctl, project: Path) -> None:
    (project / "instance").mkdir()
    (project / "instance" / "devserver.sqlite").write_bytes(b"nonsense" * 1000)
    for command in ("status", "migrate"):
        assert "is no SQLite database" in told(sysctl, command)


def test_an_address_that_is_none(
    sysctl: Sysctl, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "mysql://x")
    for command in ("status", "migrate"):
        assert "not supported" in told(sysctl, command)


def test_the_command_as_a_process(project: Path) -> None:
    add_plugin(project, "users", m0001_init=INIT.format(name="users"))
    for arguments, said in (("migrate",), "users: applied 0001_init"), (("status",), "up to date"):
        done = subprocess.run(
            [sys.executable, "-m", "devserver", "database", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=project,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout
