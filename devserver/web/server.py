"""The HTTP server: Werkzeug's threaded one with keep-alive and a stop that loses no request."""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, select_address_family

from devserver.core.errors import DevServerError
from devserver.web.connections import Connections
from devserver.web.handler import RequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_BACKLOG = 128
_LET_GO_SECONDS = 0.3
_log = logging.getLogger("devserver.web")


class DevHTTPServer(ThreadedWSGIServer):
    """Listens from its construction on; answers from `serve()` until `stop()`.

    `port` is the real one, also where 0 was asked for. Raises DevServerError when the address
    cannot be had. `stopping` is set when a stop begins: streams end themselves by it, and `wake`
    is called then, to rouse those that wait for something else.
    """

    # A plugin's request that never ends must not hold the process: `stop` waits as long as its
    # caller wants, and what is left after that is let go with the process.
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        app: WSGIApplication,
        *,
        host: str,
        port: int,
        stopping: threading.Event,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.connections = Connections()
        self._stopping = stopping
        self._wake = wake
        self._accepting: threading.Thread | None = None
        with contextlib.closing(_listen(host, port)) as listener:
            super().__init__(host, port, app, handler=RequestHandler, fd=listener.fileno())
        self.socket.setblocking(False)
        self._doorbell, self._ringer = socket.socketpair()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def serve(self) -> None:
        """Starts to accept connections in a thread of its own, and returns."""
        if self._accepting is None:
            self._accepting = threading.Thread(target=self._accept, name="http-accept", daemon=True)
            self._accepting.start()

    def stop(self, grace: float) -> tuple[str, ...]:
        """Ends streams and idle connections at once, lets requests in flight end for up to
        `grace` seconds, then cuts the rest, which it returns (`("GET /slow/",)`)."""
        deadline = time.monotonic() + grace
        self._close_doors()
        self.connections.end_idle()
        self.connections.wait_until_none(min(grace, _LET_GO_SECONDS))
        self.connections.cut_streams()
        if self.connections.wait_until_none(deadline - time.monotonic()):
            return ()
        return self.stop_now()

    def stop_now(self) -> tuple[str, ...]:
        """Cuts everything; the requests that this interrupted. Callable during `stop`."""
        self._close_doors()
        interrupted = self.connections.close_all()
        self.connections.wait_until_none(_LET_GO_SECONDS)
        return interrupted

    def _close_doors(self) -> None:
        """Accepts nobody any more. Harmless when repeated."""
        self._stopping.set()
        self._wake()
        with contextlib.suppress(OSError):
            self._ringer.send(b"x")
        if self._accepting is not None:
            self._accepting.join(_LET_GO_SECONDS)
        for each in (self.socket, self._ringer, self._doorbell):
            each.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._doorbell, selectors.EVENT_READ)
            while not self.is_stopping:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._doorbell in ready:
                    return
                self._admit()

    def _admit(self) -> None:
        try:
            connection, address = self.socket.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                _log.warning("out of file descriptors: a connection waits")
                self._stopping.wait(0.1)
            return
        try:
            self.process_request(connection, address)
        except RuntimeError as error:
            _log.error("a connection was turned away: %s", error)
            self.connections.remove(connection)
            self.shutdown_request(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="http",
            daemon=True,
        ).start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.remove(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        _log.exception("a connection ended unexpectedly")


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; DevServerError, with the next step, when there can be none."""
    if not 0 <= port <= 65535:
        raise DevServerError(f"{port} is no port", hint="choose one with --port, 0 to 65535")
    family = select_address_family(host, port)
    try:
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
    except (OSError, UnicodeError) as error:
        raise DevServerError(
            f"host {host!r} is not known here ({error})",
            hint="choose another with --host, such as 127.0.0.1",
        ) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if host == "::":
            # All addresses means those of IPv4 as well.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def _refused(host: str, port: int, error: OSError) -> DevServerError:
    where = f"port {port} on {host}"
    if error.errno == errno.EADDRINUSE:
        return DevServerError(
            f"{where} is in use by another program",
            hint="stop that program, or choose another port with --port (0 picks a free one)",
        )
    if error.errno == errno.EACCES:
        return DevServerError(
            f"{where} needs privileges that this user does not have",
            hint="choose a port above 1023 with --port",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return DevServerError(
            f"{host} is not an address of this machine",
            hint="choose another with --host, such as 127.0.0.1",
        )
    return DevServerError(
        f"cannot listen on {where}: {error.strerror or error}",
        hint="choose another address with --host and --port",
    )
