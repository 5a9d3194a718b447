"""The open connections of the server and what each is doing, for a stop that loses no request."""

from __future__ import annotations

import contextlib
import socket
import threading


class Connections:
    """Which sockets are open, and which of them are answering a request right now.

    A connection is idle between requests (and while a request's head has not arrived in full);
    idle ones are ended at once by `end_idle`, busy ones end by themselves with their answer.
    Those that have begun to send events would go on for ever: `cut_streams` ends them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._doing: dict[socket.socket, str | None] = {}
        self._streams: set[socket.socket] = set()
        self._ending = False

    def add(self, connection: socket.socket) -> None:
        with self._changed:
            self._doing[connection] = None

    def remove(self, connection: socket.socket) -> None:
        with self._changed:
            self._doing.pop(connection, None)
            self._streams.discard(connection)
            self._changed.notify_all()

    def idle(self, connection: socket.socket) -> bool:
        """Marks the connection as waiting for a request; False when it is to end instead."""
        with self._changed:
            self._doing[connection] = None
            self._streams.discard(connection)
            return not self._ending

    def busy(self, connection: socket.socket, request: str) -> None:
        """Marks the connection as answering `request` (`GET /users/`)."""
        with self._changed:
            self._doing[connection] = request

    def streams(self, connection: socket.socket) -> None:
        """The answer on this connection is events, without an end of its own."""
        with self._changed:
            if connection in self._doing:
                self._streams.add(connection)

    def cut_streams(self) -> None:
        """Ends those that send events and forgets them: what waits for the next one may wait for
        ever."""
        with self._changed:
            cut = list(self._streams)
            self._streams.clear()
            for connection in cut:
                self._doing.pop(connection, None)
            self._changed.notify_all()
        for connection in cut:
            _shut(connection, socket.SHUT_RDWR)

    def end_idle(self) -> None:
        """Ends the idle connections now and every other one after its present answer."""
        with self._changed:
            self._ending = True
            idle = [c for c, request in self._doing.items() if request is None]
        for connection in idle:
            _shut(connection, socket.SHUT_RD)

    def close_all(self) -> tuple[str, ...]:
        """Cuts every connection; the requests that this interrupted."""
        with self._changed:
            self._ending = True
            doing = dict(self._doing)
        for connection in doing:
            _shut(connection, socket.SHUT_RDWR)
        return tuple(sorted(request for request in doing.values() if request is not None))

    def wait_until_none(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for the last connection to end; True when it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._doing, max(0.0, timeout))

    @property
    def count(self) -> int:
        with self._changed:
            return len(self._doing)


def _shut(connection: socket.socket, how: int) -> None:
    # The thread that owns the connection may have closed it in the meantime.
    with contextlib.suppress(OSError):
        connection.shutdown(how)
