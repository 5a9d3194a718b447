"""Reads the head of an HTTP/1 request strictly: what is not well-formed is refused, not guessed."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LINE = 65536
MAX_HEADERS = 100
_REQUEST_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])\r?\n\Z"
)
_HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r?\n\Z")
_LENGTH = re.compile(r"[0-9]{1,18}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """A well-formed head. `length` is the body's size in bytes, None for a chunked body."""

    method: str
    target: str
    version: str
    headers: http.client.HTTPMessage
    length: int | None
    keep_alive: bool


class HeadRefused(Exception):
    """The head is not one that this server takes; `status` is the answer's status code."""

    def __init__(self, status: int, error: str, hint: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint


def parse_head(request_line: bytes, header_lines: Sequence[bytes]) -> RequestHead:
    """The head of these raw lines (line ends included, the empty line not); raises HeadRefused."""
    method, target, version = _parse_request_line(request_line)
    for line in header_lines:
        if not _HEADER.match(line):
            raise HeadRefused(
                400, "malformed header line", "a header is `Name: value`, on one line"
            )
    headers = http.client.parse_headers(io.BytesIO(b"".join(header_lines) + b"\r\n"))
    return RequestHead(
        method=method,
        target=target,
        version=version,
        headers=headers,
        length=_body_length(headers),
        keep_alive=_keeps_alive(version, headers),
    )


def _parse_request_line(line: bytes) -> tuple[str, str, str]:
    if line.startswith(b"\x16\x03"):
        raise HeadRefused(400, "this port speaks http", "use http:// instead of https://")
    found = _REQUEST_LINE.match(line)
    if found is None:
        raise HeadRefused(400, "malformed request line", "it is `METHOD /path HTTP/1.1`")
    method, target, major, minor = (part.decode("latin-1") for part in found.groups())
    if major != "1":
        raise HeadRefused(505, f"HTTP/{major}.{minor} is not spoken here", "use HTTP/1.1")
    if target.startswith("/"):
        # `//host/path` would read as another host's address further in.
        target = "/" + target.lstrip("/")
    elif not target.lower().startswith(("http://", "https://")):
        raise HeadRefused(400, "malformed request target", "the target is a path such as /users/")
    return method, target, "HTTP/1.0" if minor == "0" else "HTTP/1.1"


def _body_length(headers: http.client.HTTPMessage) -> int | None:
    lengths = {value.strip() for value in headers.get_all("Content-Length", [])}
    encodings = headers.get_all("Transfer-Encoding", [])
    if encodings and lengths:
        raise HeadRefused(
            400, "both Content-Length and Transfer-Encoding", "send one of the two headers"
        )
    if encodings:
        if [value.strip().lower() for value in encodings] != ["chunked"]:
            raise HeadRefused(501, "unknown Transfer-Encoding", "only `chunked` is understood")
        return None
    if not lengths:
        return 0
    length = lengths.pop()
    if lengths or not _LENGTH.match(length):
        raise HeadRefused(400, "malformed Content-Length", "it is the body's size in bytes")
    return int(length)


def _keeps_alive(version: str, headers: http.client.HTTPMessage) -> bool:
    options = ",".join(headers.get_all("Connection", [])).lower()
    return version == "HTTP/1.1" and "close" not in {o.strip() for o in options.split(",")}
