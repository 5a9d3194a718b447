"""One suite over both databases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from devserver.store.address import find_address
from devserver.store.database import Database

SERVER = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
"""A PostgreSQL server on which databases may be made and dropped."""


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of the server; skips where there is none, but not where there has to be one."""
    try:
        psycopg.connect(SERVER, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        if os.environ.get("TEST_POSTGRES_REQUIRED"):
            raise
        pytest.skip(f"no PostgreSQL: {error}")
    return SERVER


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database that is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name}")
    try:
        yield postgres_server.rpartition("/")[0] + f"/{name}"
    finally:
        execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str) -> None:
    """Runs one statement, outside of a transaction."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statement)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'instance' / 'store.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each test runs on both."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    found: str = request.getfixturevalue(name)
    return found


def open_database(url: str) -> Database:
    return Database(find_address(Path("/"), {"url": url}, {}))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database."""
    found = open_database(database_url)
    yield found
    found.close()
