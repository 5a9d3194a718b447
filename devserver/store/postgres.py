"""Connections to PostgreSQL that notice when the server does not answer any more."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from devserver.store.failures import has_answered

PATIENCE = 3
"""Seconds of silence after which it is asked whether the server still answers."""
_T = TypeVar("_T")


class WatchedConnection(psycopg.Connection[Any]):
    """While an answer is waited for in silence, another connection asks whether anybody is there:
    one who answers may take as long as it needs, for a lock or a long statement. What a proxy or
    a frozen server swallows looks well to TCP.

    Raises psycopg.OperationalError, closed, when nobody answers.
    """

    door: Door

    def wait(self, gen: Generator[Any, Any, _T], *args: Any, **more: Any) -> _T:
        """See psycopg."""
        return super().wait(self._watched(gen), *args, **more)

    def _watched(self, gen: Generator[Any, Any, _T]) -> Generator[Any, Any, _T]:
        ready = None
        silent_since = time.monotonic()
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as end:
                answer: _T = end.value
                return answer
            ready = yield wanted
            if ready:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > PATIENCE:
                self._insist()
                silent_since = time.monotonic()

    def _insist(self) -> None:
        known: dict[str, Any] = {**self.info.get_parameters(), "password": self.info.password}
        address = make_conninfo(**{**known, "connect_timeout": PATIENCE})
        try:
            self.door.connect(address).close()
        except psycopg.OperationalError as error:
            if has_answered(error):
                return
            self.pgconn.finish()
            raise psycopg.OperationalError("the server does not answer any more") from error


class Door:
    """Opens connections to one server, from any thread. One that took long to fail is not tried
    again for as long: the next ones fail at once, so that a row of them is no row of waits."""

    def __init__(self) -> None:
        self._closed: tuple[float, str] = (0.0, "")

    def connect(self, *address: Any, **options: Any) -> WatchedConnection:
        """See psycopg. Raises psycopg.OperationalError."""
        until, why = self._closed
        started = time.monotonic()
        if started < until:
            raise psycopg.OperationalError(why)
        try:
            connection = WatchedConnection.connect(*address, **options)
        except psycopg.OperationalError as error:
            now = time.monotonic()
            self._closed = (now + (now - started), str(error))
            raise
        connection.door = self
        return connection
