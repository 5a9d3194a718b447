"""What a database refuses, in words of the user."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from devserver.store.address import find_address
from devserver.store.failures import unavailable

URL = {"url": "postgresql://me:hunter2@db:5432/x"}
REFUSED = "refuses the user or password"
AT = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


def told(message: str) -> str:
    error = OperationalError("", {}, psycopg.OperationalError(message))
    found = unavailable(error, find_address(Path("/"), URL, {}))
    assert found is not None
    assert "hunter2" not in found.message
    return f"{found.message} / {found.hint}"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (AT + 'FATAL:  password authentication failed for user "me"', REFUSED),
        (AT + "fe_sendauth: no password supplied", REFUSED),
        (AT + 'FATAL:  Peer authentication failed for user "me"', REFUSED),
        (AT + 'FATAL:  role "me" does not exist', REFUSED),
        (AT + 'FATAL:  role "me" is not permitted to log in', REFUSED),
        (AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.1"', REFUSED),
        (AT + 'FATAL:  database "x" does not exist', "createdb"),
        (AT + 'FATAL:  permission denied for database "x"', "lacks a right"),
        (AT + "FATAL:  sorry, too many clients already", "takes no more connections"),
        (AT + "FATAL:  remaining connection slots are reserved", "takes no more connections"),
        (AT + "FATAL:  the database system is starting up", "wait until it runs"),
        (AT + "Connection refused\n\tIs the server running?", "cannot be reached: connection to"),
        ("connection timeout expired", "cannot be reached: connection timeout expired"),
    ],
)
def test_what_a_server_answers_at_once_is_understood(message: str, expected: str) -> None:
    assert expected in told(message)


def test_a_wrong_statement_is_no_fault_of_the_database() -> None:
    error = DBAPIError("", {}, psycopg.errors.SyntaxError("syntax error"))
    assert unavailable(error, find_address(Path("/"), URL, {})) is None
