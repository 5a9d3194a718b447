"""Many connections, and such as never get to the point."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devserver.web import handler
from devserver.web.server import DevHTTPServer
from tests.guarantees.g04_no_request_is_lost.wire import Wire, chunked, head
from tests.integration.lab import wait_for


def echo(environ: Any, start_response: Any) -> list[bytes]:
    """Answers with the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


@pytest.fixture
def server() -> Iterator[DevHTTPServer]:
    server = DevHTTPServer(echo, host="127.0.0.1", port=0, stopping=threading.Event())
    server.serve()
    yield server
    server.stop(2)


def url_of(server: DevHTTPServer) -> str:
    return f"http://127.0.0.1:{server.port}/"


def test_200_connections_at_once_are_all_answered(server: DevHTTPServer) -> None:
    with contextlib.ExitStack() as opened:
        wires = [opened.enter_context(Wire(url_of(server))) for _ in range(200)]
        for number, wire in enumerate(wires):
            body = str(number).encode()
            wire.send(head("/", "POST", Content_Length=str(len(body))) + body)
        assert [w.receive().body for w in wires] == [str(n).encode() for n in range(200)]
        assert server.connections.count == 200
    wait_for(lambda: server.connections.count == 0, "the end of all")


def test_2000_connections_leave_no_thread_behind(server: DevHTTPServer) -> None:
    before = threading.active_count()

    def come_and_go(number: int) -> None:
        for turn in range(250):
            with Wire(url_of(server)) as wire:
                if turn % 3 == 0:  # leaves without a word
                    continue
                wire.send(head("/", Connection="close" if turn % 3 == 1 else "keep-alive"))
                assert wire.receive().status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    wait_for(lambda: server.connections.count == 0, "the end of all")
    wait_for(lambda: threading.active_count() <= before, "the end of their threads")


def test_who_sends_a_head_byte_by_byte_is_turned_away_in_time(
    server: DevHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_HEAD_SECONDS", 0.3)
    pause = threading.Event()
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(Wire(url_of(server))) for _ in range(20)]
        with contextlib.suppress(ConnectionError):  # they are turned away while they send
            for byte in head("/", X_Long="x" * 100):
                for wire in slow:
                    wire.send(bytes([byte]))
                pause.wait(0.01)
        for wire in slow:
            with contextlib.suppress(ConnectionError):
                assert wire.receive().status == 408
        with Wire(url_of(server)) as other:
            assert other.ask("/").status == 200
    wait_for(lambda: server.connections.count == 0, "the end of all")


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"f" * 16 + b"\r\nabc",
        b"3\r\nabc\r\n0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)
def test_a_malformed_chunked_body_is_no_body(server: DevHTTPServer, body: bytes) -> None:
    with Wire(url_of(server)) as wire:
        wire.send(head("/", "POST", Transfer_Encoding="chunked") + body)
        assert wire.receive().status == 500  # of this application, which lets it through
        assert wire.at_end()


def test_chunks_of_any_size_with_extensions_and_trailers_are_read_exactly(
    server: DevHTTPServer,
) -> None:
    parts = [b"x" * size for size in (1, 10, 65_535, 65_536, 65_537, 300_000)]
    with Wire(url_of(server)) as wire:
        wire.send(head("/", "POST", Transfer_Encoding="chunked") + chunked(parts))
        assert wire.receive().body == b"".join(parts)
        extended = b"3;name=value\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
        wire.send(head("/", "POST", Transfer_Encoding="chunked") + extended + head("/"))
        assert wire.receive().body == b"abc"
        assert wire.receive().body == b""  # what follows is the next request
