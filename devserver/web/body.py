"""Reads from a connection: with limits on time, and chunked bodies strictly."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import Any

_LINE = 4096
_TRAILERS = 100


class TimedReader(io.RawIOBase):
    """The bytes of a connection. A read raises TimeoutError when nothing comes for `step` seconds,
    or when the monotonic `deadline` has passed (None: there is none)."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.step = 0.0
        self.deadline: float | None = None

    def limit(self, *, step: float, total: float | None = None) -> None:
        """From now on a read waits `step` seconds, and all of them together `total`."""
        self.step = step
        self.deadline = None if total is None else time.monotonic() + total

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wait = self.step
        if self.deadline is not None:
            wait = min(wait, self.deadline - time.monotonic())
        if wait <= 0:
            raise TimeoutError
        self._connection.settimeout(wait)
        return self._connection.recv_into(buffer)


class BodyBroken(OSError):
    """A chunked body is malformed, or ended in the middle."""


class ChunkedBody(io.RawIOBase):
    """The content of a chunked body; `at_end` tells when its last chunk, and the trailers, which
    are dropped, have been read. Raises BodyBroken."""

    def __init__(self, read_line: Callable[[int], bytes], read: Callable[[int], bytes]) -> None:
        self._read_line = read_line
        self._read = read
        self._left = 0
        self._first = True
        self._at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._at_end or not len(buffer):
            return 0
        if self._left == 0 and not self._begin_chunk():
            return 0
        piece = self._read(min(len(buffer), self._left))
        if not piece:
            raise BodyBroken("the client left in the middle of it")
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)

    def _begin_chunk(self) -> bool:
        if not self._first and self._line().strip():
            raise BodyBroken("a chunk is longer than it says")
        self._first = False
        size = self._line().partition(b";")[0].strip()
        if not size or len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
            raise BodyBroken("a chunk does not begin with its size")
        self._left = int(size, 16)
        if self._left:
            return True
        for _ in range(_TRAILERS):
            if not self._line().strip():
                self._at_end = True
                return False
        raise BodyBroken("too many trailers")

    def _line(self) -> bytes:
        line = self._read_line(_LINE)
        if not line.endswith(b"\n"):
            raise BodyBroken("the client left in the middle of it")
        return line
