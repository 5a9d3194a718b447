"""HTTP by hand: requests are bytes, answers are read one by one from one connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An answer that was read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection to the server at `url`."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port), PATIENCE)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_line(self) -> bytes:
        return self._file.readline()

    def receive(self, method: str = "GET") -> Received:
        """The next answer. Raises OSError or HTTPException when there is none, or half of one."""
        answer = self.begin(method)
        return Received(status=answer.status, headers=answer.headers, body=answer.read())

    def begin(self, method: str = "GET") -> http.client.HTTPResponse:
        """The next answer, its head read."""
        answer = http.client.HTTPResponse(_Shared(self._file), method=method)  # type: ignore[arg-type]
        answer.begin()
        return answer

    def ask(self, path: str, method: str = "GET", **headers: str) -> Received:
        self.send(head(path, method, **headers))
        return self.receive(method)

    def rest(self) -> bytes:
        """All that still comes, up to the end of the connection."""
        return self._file.read()

    def at_end(self) -> bool:
        """True when the server has ended the connection."""
        with contextlib.suppress(ConnectionError):
            return self._file.read(1) == b""
        return True


def head(path: str, method: str = "GET", version: str = "1.1", **headers: str) -> bytes:
    """A request's head; `If_None_Match` stands for `If-None-Match`."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(parts: Iterator[bytes] | list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


class _Shared:
    """What an answer reads from; its end does not close the connection."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def makefile(self, _mode: str) -> Any:
        return self

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
