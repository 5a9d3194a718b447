"""The HTTP server over real sockets."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import pytest

from devserver.core.errors import DevServerError
from devserver.web.server import DevHTTPServer

HOST = b"Host: localhost\r\n"


def plain(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def connect(server: DevHTTPServer) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.settimeout(10)
    return connection


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def ask(server: DevHTTPServer, raw: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    with closing(connect(server)) as connection:
        connection.sendall(raw)
        return read_all(connection)


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.entered.set()
        self.go_on.wait(10)
        return plain(environ, start_response)


def test_one_connection_takes_many_requests(start: Any) -> None:
    server = start(plain)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as client:
        for number in range(20):
            client.request("GET", f"/{number}")
            assert client.getresponse().read() == f"/{number}".encode()
        assert server.connections.count == 1


def test_pipelined_requests_are_answered_in_order(start: Any) -> None:
    server = start(plain)
    raw = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /b HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    answer = ask(server, raw + last)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"/a") < answer.index(b"/b")


def test_a_body_that_nobody_read_does_not_become_the_next_request(start: Any) -> None:
    server = start(plain)
    inner = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    first = b"POST /one HTTP/1.1\r\nContent-Length: %d\r\n%b\r\n%b" % (len(inner), HOST, inner)
    last = b"GET /two HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    answer = ask(server, first + last)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b"/smuggled" not in answer
    assert answer.endswith(b"/two")


def test_a_large_unread_body_still_lets_the_client_read_the_answer(start: Any) -> None:
    server = start(plain)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as client:
        client.request("POST", "/large", body=b"x" * 3_000_000)
        assert client.getresponse().read() == b"/large"


def test_chunked_and_announced_bodies_reach_the_application(start: Any) -> None:
    def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield environ["wsgi.input"].read()

    server = start(echo)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as client:
        client.request("POST", "/", body=iter([b"one ", b"two"]), encode_chunked=True)
        assert client.getresponse().read() == b"one two"
        client.request("POST", "/", body=b"three")
        assert client.getresponse().read() == b"three"
        client.request("POST", "/", body=b"", headers={"Expect": "100-continue"})
        assert client.getresponse().read() == b""


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET http://[bad/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    ],
)
def test_a_malformed_request_gets_a_json_answer(
    start: Any, raw: bytes, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start(plain)
    with closing(connect(server)) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"nosniff" in head
    assert set(json.loads(body)) == {"error", "hint"}
    assert capfd.readouterr() == ("", "")
    assert ask(server, b"GET /on HTTP/1.0\r\n\r\n").endswith(b"/on")


@pytest.mark.parametrize(
    "raw", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: a\r\n"]
)
def test_a_client_that_leaves_half_way_leaves_no_trace(
    start: Any, raw: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        return plain(environ, start_response)

    server = start(app)
    with closing(connect(server)) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)
    assert server.connections.wait_until_none(5)
    assert asked == []
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.levelno > logging.DEBUG]


def test_a_client_that_leaves_during_a_stream_ends_it(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()

    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    server = start(stream)
    with closing(connect(server)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.recv(10)
    assert closed.wait(5)
    assert not [r for r in caplog.records if r.levelno > logging.DEBUG]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), ConnectionError("db")])
def test_an_application_that_raises_is_answered_for_and_logged(
    start: Any, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise error

    answer = ask(start(broken), b"GET /x?token=abc HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Traceback" not in answer
    assert "GET /x failed" in caplog.text
    assert "abc" not in caplog.text


def test_requests_are_debug_lines_without_the_query(
    start: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "devserver.web")
    server = start(plain)
    ask(server, b"GET /seen?token=abc HTTP/1.0\r\n\r\n")
    assert server.connections.wait_until_none(5)
    assert "GET '/seen' 200" in caplog.text
    assert "abc" not in caplog.text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("look", [b"/api/logs?after=3", b"/api/plugins", b"/metrics"])
def test_looking_at_the_server_is_not_logged(
    start: Any, caplog: pytest.LogCaptureFixture, look: bytes
) -> None:
    caplog.set_level(logging.DEBUG, "devserver.web")
    server = start(plain)
    ask(server, b"GET %s HTTP/1.0\r\n\r\n" % look)
    ask(server, b"POST /api/plugins/reload HTTP/1.0\r\n\r\n")
    assert server.connections.wait_until_none(5)
    assert "GET" not in caplog.text
    assert "POST '/api/plugins/reload' 200" in caplog.text


def test_a_stop_lets_the_request_in_flight_end(start: Any) -> None:
    app = Slow()
    server = start(app)
    answers: list[bytes] = []
    raw = b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n"
    client = threading.Thread(target=lambda: answers.append(ask(server, raw)))
    client.start()
    assert app.entered.wait(5)
    stopped: list[tuple[str, ...]] = []
    stopper = threading.Thread(target=lambda: stopped.append(server.stop(10)))
    stopper.start()
    assert server._stopping.wait(5)
    app.go_on.set()
    stopper.join(5)
    client.join(5)
    assert stopped == [()]
    assert answers[0].endswith(b"/slow")


def test_a_stop_names_and_cuts_what_does_not_end(start: Any) -> None:
    app = Slow()
    server = start(app)
    with closing(connect(server)) as connection:
        connection.sendall(b"GET /stuck?secret=1 HTTP/1.1\r\n" + HOST + b"\r\n")
        assert app.entered.wait(5)
        assert server.stop(0.05) == ("GET /stuck",)
        assert connection.recv(10) == b""
    app.go_on.set()


def test_a_second_stop_ends_the_first_at_once(start: Any) -> None:
    app = Slow()
    server = start(app)
    with closing(connect(server)) as connection:
        connection.sendall(b"GET /stuck HTTP/1.1\r\n" + HOST + b"\r\n")
        assert app.entered.wait(5)
        patient = threading.Thread(target=server.stop, args=(60,))
        patient.start()
        assert server._stopping.wait(5)
        assert server.stop_now() == ("GET /stuck",)
        app.go_on.set()
        patient.join(5)
        assert not patient.is_alive()


def test_idle_connections_do_not_delay_a_stop(start: Any) -> None:
    server = start(plain)
    silent, half, kept = connect(server), connect(server), connect(server)
    with closing(silent), closing(half), closing(kept):
        half.sendall(b"GET / HTTP/1.1\r\nHost: lo")
        kept.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert kept.recv(4096).endswith(b"/")
        began = time.monotonic()
        assert server.stop(30) == ()
        assert time.monotonic() - began < 3
        assert [c.recv(10) for c in (silent, half, kept)] == [b"", b"", b""]


def test_after_a_stop_nobody_is_let_in(start: Any) -> None:
    server = start(plain)
    port = server.port
    server.stop(1)
    server.stop(1)
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port))


def test_a_stopped_server_leaves_no_thread(start: Any) -> None:
    before = set(threading.enumerate())
    server = start(plain)
    ask(server, b"GET / HTTP/1.0\r\n\r\n")
    server.stop(5)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_a_port_in_use_is_an_error_that_names_the_next_step(start: Any) -> None:
    server = start(plain)
    with pytest.raises(DevServerError, match=f"port {server.port} on 127.0.0.1 is in use") as told:
        DevHTTPServer(plain, host="127.0.0.1", port=server.port, stopping=threading.Event())
    assert "--port" in (told.value.hint or "")


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 70000, "70000 is no port"),
        ("no.such.host.invalid", 0, "is not known here"),
        ("192.0.2.1", 0, "not an address of this machine"),
        ("x" * 300, 0, "is not known here"),
    ],
)
def test_an_address_that_cannot_be_had_is_told(host: str, port: int, message: str) -> None:
    with pytest.raises(DevServerError, match=message) as told:
        DevHTTPServer(plain, host=host, port=port, stopping=threading.Event())
    assert told.value.hint


@pytest.mark.parametrize("host", ["::1", "::"])
def test_ipv6_is_served(start: Any, host: str) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = start(plain, host=host)
    with closing(socket.create_connection(("::1", server.port))) as connection:
        connection.sendall(b"GET /six HTTP/1.0\r\n\r\n")
        assert read_all(connection).endswith(b"/six")
    if host == "::":
        assert ask(server, b"GET /four HTTP/1.0\r\n\r\n").endswith(b"/four")


def test_small_answers_are_not_delayed(start: Any) -> None:
    server = start(plain)
    with closing(connect(server)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.recv(4096)
        (ours,) = server.connections._doing
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
