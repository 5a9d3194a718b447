"""Reading heads and writing answers, byte by byte."""

from __future__ import annotations

import pytest

from devserver.web.head import HeadRefused, parse_head
from devserver.web.response import PeerGone, ResponseWriter

HOST = b"Host: localhost\r\n"


def test_a_well_formed_head_is_read() -> None:
    lines = [HOST, b"Content-Length: 12\r\n", b"X-Empty:\r\n"]
    head = parse_head(b"POST /users/?a=1 HTTP/1.1\r\n", lines)
    assert (head.method, head.target, head.version) == ("POST", "/users/?a=1", "HTTP/1.1")
    assert head.length == 12
    assert head.keep_alive
    assert head.headers["host"] == "localhost"
    assert head.headers["X-Empty"] == ""


@pytest.mark.parametrize(
    ("line", "header", "expected"),
    [
        (b"GET / HTTP/1.1\r\n", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.1\r\n", b"Connection: Upgrade, Close\r\n", False),
        (b"GET / HTTP/1.1\n", b"Connection: keep-alive\n", True),
        (b"GET / HTTP/1.0\r\n", b"Connection: keep-alive\r\n", False),
        (b"GET / HTTP/1.7\r\n", HOST, True),
    ],
)
def test_whether_the_connection_stays(line: bytes, header: bytes, expected: bool) -> None:
    assert parse_head(line, [header]).keep_alive is expected


def test_a_chunked_body_has_no_length() -> None:
    assert parse_head(b"POST / HTTP/1.1\r\n", [b"Transfer-Encoding: Chunked\r\n"]).length is None


def test_leading_slashes_cannot_name_another_host() -> None:
    assert parse_head(b"GET ///evil.test/x HTTP/1.1\r\n", [HOST]).target == "/evil.test/x"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /\r\n", 400),
        (b"GET\r\n", 400),
        (b"\r\n", 400),
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1 x\r\n", 400),
        (b"GET / http/1.1\r\n", 400),
        (b"GET / HTTP/1.10\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"G\x00T / HTTP/1.1\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n", 400),
        (b"GET * HTTP/1.1\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\n", 400),
        (b"GET ftp://localhost/ HTTP/1.1\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n", 400),
    ],
)
def test_a_malformed_request_line_is_refused(line: bytes, status: int) -> None:
    with pytest.raises(HeadRefused) as refused:
        parse_head(line, [HOST])
    assert refused.value.status == status
    assert refused.value.hint


def test_a_tls_client_is_told_to_use_http() -> None:
    with pytest.raises(HeadRefused, match="speaks http"):
        parse_head(b"\x16\x03\x01\x02\x00\x01\n", [])


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"no colon\r\n"], 400),
        ([b"Name : value\r\n"], 400),
        ([b": value\r\n"], 400),
        ([b" folded\r\n"], 400),
        ([b"X: a\x00b\r\n"], 400),
        ([b"X: a\rb\r\n"], 400),
        ([b"N\xc3me: x\r\n"], 400),
        ([b"Content-Length: abc\r\n"], 400),
        ([b"Content-Length: -1\r\n"], 400),
        ([b"Content-Length: +1\r\n"], 400),
        ([b"Content-Length:\r\n"], 400),
        ([b"Content-Length: " + b"9" * 5000 + b"\r\n"], 400),
        ([b"Content-Length: 1\r\n", b"Content-Length: 2\r\n"], 400),
        ([b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n"], 400),
        ([b"Transfer-Encoding: gzip\r\n"], 501),
        ([b"Transfer-Encoding: chunked, chunked\r\n"], 501),
    ],
)
def test_malformed_headers_are_refused(lines: list[bytes], status: int) -> None:
    with pytest.raises(HeadRefused) as refused:
        parse_head(b"POST / HTTP/1.1\r\n", lines)
    assert refused.value.status == status


class _Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def writer(
        self, method: str = "GET", version: str = "HTTP/1.1", keep_alive: bool = True
    ) -> ResponseWriter:
        return ResponseWriter(
            send=self.sent.append, method=method, version=version, keep_alive=keep_alive
        )

    @property
    def head(self) -> str:
        return b"".join(self.sent).partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        return b"".join(self.sent).partition(b"\r\n\r\n")[2]


def test_a_short_answer_is_one_packet() -> None:
    wire = _Wire()
    writer = wire.writer()
    writer.start_response("200 OK", [("Content-Length", "5")])
    writer.write(b"hello")
    writer.finish()
    assert len(wire.sent) == 1
    assert wire.head.startswith("HTTP/1.1 200 OK\r\n")
    assert "Date: " in wire.head
    assert "Server" not in wire.head
    assert wire.body == b"hello"
    assert writer.keep_alive


def test_a_body_of_unknown_length_is_chunked() -> None:
    wire = _Wire()
    writer = wire.writer()
    writer.start_response("200 OK", [])
    for part in (b"hello", b"", b"x" * 17):
        writer.write(part)
    writer.finish()
    assert "Transfer-Encoding: chunked" in wire.head
    assert wire.body == b"5\r\nhello\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n"


def test_an_old_client_is_told_the_end_by_closing() -> None:
    wire = _Wire()
    writer = wire.writer(version="HTTP/1.0")
    writer.start_response("200 OK", [])
    writer.write(b"hello")
    writer.finish()
    assert wire.body == b"hello"
    assert "Connection: close" in wire.head
    assert not writer.keep_alive


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 NOT MODIFIED")])
def test_an_answer_without_a_body_has_none(method: str, status: str) -> None:
    wire = _Wire()
    writer = wire.writer(method=method)
    writer.start_response(status, [])
    writer.write(b"not for the wire")
    writer.finish()
    assert wire.body == b""
    assert "Transfer-Encoding" not in wire.head


def test_more_than_was_announced_is_not_sent() -> None:
    wire = _Wire()
    writer = wire.writer()
    writer.start_response("200 OK", [("Content-Length", "3")])
    writer.write(b"hello")
    writer.write(b"again")
    assert wire.body == b"hel"
    assert writer.keep_alive


def test_less_than_was_announced_ends_the_connection() -> None:
    writer = _Wire().writer()
    writer.start_response("200 OK", [("Content-Length", "9")])
    writer.write(b"hello")
    writer.finish()
    assert not writer.keep_alive


def test_a_header_cannot_smuggle_another() -> None:
    writer = _Wire().writer()
    writer.start_response("200 OK", [("X-Name", "a\r\nSet-Cookie: b")])
    with pytest.raises(AssertionError, match="line break"):
        writer.write(b"")
    assert not writer.started


def test_a_second_start_needs_a_reason() -> None:
    writer = _Wire().writer()
    writer.start_response("200 OK", [])
    with pytest.raises(AssertionError, match="twice"):
        writer.start_response("200 OK", [])
    fault = ValueError("later")
    writer.start_response("500 NO", [], (ValueError, fault, fault.__traceback__))  # type: ignore[arg-type]
    assert writer.status == 500
    writer.write(b"x")
    with pytest.raises(ValueError, match="later"):
        writer.start_response("500 NO", [], (ValueError, fault, fault.__traceback__))  # type: ignore[arg-type]


def test_a_client_that_left_is_told_as_such() -> None:
    def gone(data: bytes) -> None:
        raise BrokenPipeError

    writer = ResponseWriter(send=gone, method="GET", version="HTTP/1.1", keep_alive=True)
    writer.start_response("200 OK", [])
    with pytest.raises(PeerGone):
        writer.write(b"x")
    assert not writer.keep_alive
