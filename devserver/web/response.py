"""Writes one WSGI answer onto a connection."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from types import TracebackType
from typing import Any

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})


class PeerGone(Exception):
    """The client went away while its answer was being written."""


class ResponseWriter:
    """The `start_response` and `write` of one request.

    The head goes out with the first piece of the body, in one packet. A body of unknown length
    is chunked (HTTP/1.1) or ended by closing (HTTP/1.0). `keep_alive` tells afterwards whether
    the connection can take another request.
    """

    def __init__(
        self, *, send: Callable[[bytes], None], method: str, version: str, keep_alive: bool
    ) -> None:
        self._send_bytes = send
        self._method = method
        self._version = version
        self._status = ""
        self._kind = ""
        self._headers: list[tuple[str, str]] | None = None
        self._chunked = False
        self._remaining: int | None = None
        self.keep_alive = keep_alive
        self.started = False
        """True once the head is on its way: from then on no other answer is possible."""

    @property
    def status(self) -> int:
        """The answer's status code, 0 while there is none."""
        return int(self._status[:3]) if self._status else 0

    @property
    def is_event_stream(self) -> bool:
        """True for an answer of server-sent events."""
        return self._kind == "text/event-stream"

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], object]:
        """As WSGI defines it."""
        if exc_info is not None and exc_info[1] is not None and self.started:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._headers is not None and exc_info is None:
            raise AssertionError("start_response was called twice")
        if not status[:3].isdigit():
            raise AssertionError(f"status {status!r} does not begin with a code")
        self._status = status
        self._headers = list(headers)
        kinds = [value for name, value in headers if name.lower() == "content-type"]
        self._kind = "".join(kinds).partition(";")[0].strip().lower()
        return self.write

    def write(self, data: bytes) -> None:
        """Sends a piece of the body; the head goes first. Raises PeerGone."""
        if not isinstance(data, bytes):
            raise AssertionError(f"the body is bytes, not {type(data).__name__}")
        head = b"" if self.started else self._make_head()
        self.started = True
        body = self._framed(data)
        if head or body:
            self._send(head + body)

    def finish(self) -> None:
        """Ends the answer; sends the head if nothing else did."""
        if not self.started:
            self.write(b"")
        if self._chunked:
            self._send(b"0\r\n\r\n")
        if self._remaining:
            self.keep_alive = False

    def _make_head(self) -> bytes:
        if self._headers is None:
            raise AssertionError("write before start_response")
        names = {name.lower(): value for name, value in self._headers}
        if names.get("connection", "").lower() == "close":
            self.keep_alive = False
        lines = [f"{name}: {value}" for name, value in self._headers if _passes(name, value)]
        if "date" not in names:
            lines.append(f"Date: {formatdate(usegmt=True)}")
        lines += self._framing(names.get("content-length"))
        if not self.keep_alive:
            lines.append("Connection: close")
        text = "\r\n".join([f"HTTP/1.1 {self._status}", *lines, "", ""])
        return text.encode("latin-1")

    def _framing(self, length: str | None) -> list[str]:
        """Decides how the body's end is told; header lines for it."""
        if self._is_bodyless:
            return []
        if length is not None:
            self._remaining = int(length)
            return []
        if self._version == "HTTP/1.1":
            self._chunked = True
            return ["Transfer-Encoding: chunked"]
        self.keep_alive = False
        return []

    def _framed(self, data: bytes) -> bytes:
        if self._is_bodyless or not data:
            return b""
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(data), data)
        if self._remaining is not None:
            # More than was announced would be read as the next answer.
            data = data[: self._remaining]
            self._remaining -= len(data)
        return data

    @property
    def _is_bodyless(self) -> bool:
        return self._method == "HEAD" or self.status < 200 or self.status in (204, 304)

    def _send(self, data: bytes) -> None:
        try:
            self._send_bytes(data)
        except OSError as error:
            self.keep_alive = False
            raise PeerGone from error


def _passes(name: str, value: Any) -> bool:
    if any(char in f"{name}{value}" for char in "\r\n\0"):
        raise AssertionError(f"header {name!r} holds a line break")
    return name.lower() not in _HOP_BY_HOP
