"""One connection: reads requests, runs the application, keeps the connection for the next."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import socket
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, cast

from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

from devserver.web.body import ChunkedBody, TimedReader
from devserver.web.head import MAX_HEADERS, MAX_LINE, HeadRefused, RequestHead, parse_head
from devserver.web.response import PeerGone, ResponseWriter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from devserver.web.server import DevHTTPServer

CONNECTION_MEMO = "devserver.connection"
"""The environ key of a dict that lives as long as the connection."""

_BUFFER = 64 * 1024
_IDLE_SECONDS = 120.0
_HEAD_SECONDS = 20.0
_BODY_SECONDS = 60.0
_DRAIN_BYTES = 256 * 1024
_LINGER_SECONDS = 2.0
_LOOKS = ("/api/", "/metrics")
_log = logging.getLogger("devserver.web")


class RequestHandler(WSGIRequestHandler):
    """HTTP/1.1 with keep-alive. Whatever the client or the application does, it raises nothing
    and prints nothing: requests are debug lines, failures of the application error lines."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    head: RequestHead

    @property
    def dev_server(self) -> DevHTTPServer:
        return cast("DevHTTPServer", self.server)

    def setup(self) -> None:
        super().setup()
        self.memo: dict[str, Any] = {}
        self._reader = TimedReader(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._reader, _BUFFER)

    def handle(self) -> None:
        self.close_connection = False
        # The client may vanish at any moment; that is no event.
        with contextlib.suppress(OSError):
            while not self.close_connection:
                self.handle_one_request()

    def handle_one_request(self) -> None:
        """Waits for a request and answers it; sets `close_connection` when it was the last."""
        self.close_connection = True
        connections = self.dev_server.connections
        if not connections.idle(self.connection) or not self._wait_for_request():
            return
        try:
            head = self._read_head()
        except HeadRefused as refusal:
            self._refuse(refusal)
            return
        if head is None:
            return
        self._adopt(head)
        connections.busy(self.connection, f"{head.method} {head.target.partition('?')[0]}")
        self.run_wsgi()

    def _wait_for_request(self) -> bool:
        self._reader.limit(step=_IDLE_SECONDS)
        return bool(cast(io.BufferedReader, self.rfile).peek(1))

    def _read_head(self) -> RequestHead | None:
        """The next head, or None when the client went away in the middle of it."""
        # For all of it: who sends a byte now and then holds a thread no longer than others.
        self._reader.limit(step=_HEAD_SECONDS, total=_HEAD_SECONDS)
        line = self._read_line()
        if line in (b"\r\n", b"\n"):
            line = self._read_line()
        lines: list[bytes] = []
        while (header := self._read_line()) not in (b"\r\n", b"\n"):
            if not header.endswith(b"\n"):
                return None
            lines.append(header)
            if len(lines) > MAX_HEADERS:
                raise HeadRefused(431, "too many headers", f"at most {MAX_HEADERS} are read")
            if not line.endswith(b"\n"):
                return None
        return parse_head(line, lines)

    def _read_line(self) -> bytes:
        try:
            line = self.rfile.readline(MAX_LINE + 1)
        except TimeoutError:
            raise HeadRefused(408, "the request did not arrive in time", "send it again") from None
        if len(line) > MAX_LINE:
            raise HeadRefused(431, "a line of the request is too long", f"up to {MAX_LINE} bytes")
        return line

    def _adopt(self, head: RequestHead) -> None:
        """Puts the head where the base class looks for it."""
        self.head = head
        self.command = head.method
        self.path = head.target
        self.request_version = head.version
        self.headers = head.headers
        self.requestline = f"{head.method} {head.target} {head.version}"

    def run_wsgi(self) -> None:
        """Runs the application for the head that was read."""
        self._reader.limit(step=_BODY_SECONDS)
        try:
            environ = self._make_environ()
        except ValueError:
            self._refuse(HeadRefused(400, "malformed request target", "it is not a valid URL"))
            return
        began = time.perf_counter()
        body: IO[bytes] = environ["wsgi.input"]
        writer = ResponseWriter(
            send=self._send,
            method=self.head.method,
            version=self.head.version,
            keep_alive=self.head.keep_alive and not self.dev_server.is_stopping,
        )
        answered = self._answer(environ, writer)
        ms = (time.perf_counter() - began) * 1000
        path = environ["PATH_INFO"]
        if not _is_look(self.head.method, path, writer.status):
            _log.debug("%s %r %d %.1f ms", self.head.method, path, writer.status, ms)
        self.dev_server.connections.idle(self.connection)
        if answered:
            self._prepare_for_next(body, keep_alive=writer.keep_alive)

    def _make_environ(self) -> WSGIEnvironment:
        environ = self.make_environ()
        environ[CONNECTION_MEMO] = self.memo
        rfile = cast("io.BufferedReader", self.rfile)
        if self.head.length is None:
            body = ChunkedBody(rfile.readline, rfile.read1)
            environ["wsgi.input"] = io.BufferedReader(body, _BUFFER)
        else:
            environ["wsgi.input"] = LimitedStream(cast("IO[bytes]", rfile), self.head.length)
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return environ

    def _send(self, data: bytes) -> None:
        # A slow reader may take its time; a stop still ends it by shutting the socket.
        self.connection.settimeout(None)
        self.connection.sendall(data)

    def _answer(self, environ: WSGIEnvironment, writer: ResponseWriter) -> bool:
        """True when the whole answer went out."""
        parts: Iterable[bytes] = ()
        try:
            try:
                parts = self.server.app(environ, writer.start_response)
                for part in parts:
                    writer.write(part)
                    if writer.is_event_stream and self._ends_with_server():
                        break
                writer.finish()
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
        except PeerGone:
            return False
        except BaseException:  # noqa: BLE001 - plugin code may raise anything, SystemExit too
            _log.exception("the answer to %s failed", self.requestline.partition("?")[0])
            if not writer.started:
                self._refuse(HeadRefused(500, "internal server error", "the log tells more"))
            return False
        return True

    def _ends_with_server(self) -> bool:
        """Events never come to an end of their own: they end when a stop begins, and who listens
        connects again."""
        self.dev_server.connections.streams(self.connection)
        return self.dev_server.is_stopping

    def _prepare_for_next(self, body: IO[bytes], *, keep_alive: bool) -> None:
        if not self._drain(body):
            self._linger()
        elif keep_alive:
            self.close_connection = False

    def _drain(self, body: IO[bytes]) -> bool:
        """Reads what the application left of the body, so that the next request can follow;
        False when that is too much or fails."""
        try:
            self._reader.limit(step=_LINGER_SECONDS, total=_LINGER_SECONDS)
            left = _DRAIN_BYTES
            while left > 0:
                piece = body.read(min(left, 65536))
                if not piece:
                    return True
                left -= len(piece)
        except (OSError, ValueError, HTTPException):
            return False
        return False

    def _linger(self) -> None:
        """Lets a client that is still sending read its answer: closing with unread bytes would
        reset the connection under it."""
        deadline = time.monotonic() + _LINGER_SECONDS
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(65536):
                    break

    def _refuse(self, refusal: HeadRefused) -> None:
        body = json.dumps({"error": refusal.error, "hint": refusal.hint}).encode() + b"\n"
        head = (
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            self._send(head.encode("latin-1") + body)
            _log.debug("refused with %d: %s", refusal.status, refusal.error)
            self._linger()


def _is_look(method: str, path: str, status: int) -> bool:
    """Whether somebody only watched the server. Monitors do so all the time: their lines would
    push what plugins log out of the records that are kept."""
    return method == "GET" and path.startswith(_LOOKS) and status < 400
