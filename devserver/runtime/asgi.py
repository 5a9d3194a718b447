"""Serves an ASGI application inside a WSGI request: its code runs on the plugin loop, its input
and output in the request's thread."""

from __future__ import annotations

import asyncio
import contextvars
import queue
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from devserver.core.errors import DevServerError
from devserver.runtime.background import Background
from devserver.runtime.clients import client_of, has_left
from devserver.runtime.gate import as_current_work
from devserver.runtime.loop import Call, PluginLoop
from devserver.runtime.pages import plain_error

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Response

Message = dict[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]
_PIECE = 64 * 1024
_LOOK = 0.5  # seconds after which a waiting thread can be interrupted, and looks at the client
_CLIENT_LEFT = "499 Client Closed Request"  # read by nobody


class NoAnswer(DevServerError):
    """An ASGI application ended without an answer."""


class AsgiApplication:
    """`app` as a WSGI application. `on_error` is told what it raises once its answer has begun,
    `state()` is what its lifespan gives to each request."""

    def __init__(
        self,
        app: Asgi,
        loop: PluginLoop,
        *,
        on_error: Callable[[BaseException], object],
        state: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self._app = app
        self._loop = loop
        self._on_error = on_error
        self._state = state

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Raises what the application raises before its answer begins, NoAnswer."""
        scope = scope_of(environ)
        if scope["type"] == "websocket":
            return _no_websockets(environ)(environ, start_response)
        state = self._state()
        if state is not None:
            scope["state"] = dict(state)
        exchange = _Exchange(environ, self._loop, self._on_error)
        exchange.begin(self._app, scope)
        try:
            head = exchange.next()
        except BaseException:  # the thread may be interrupted while it waits
            exchange.close()
            raise
        if head is None and exchange.client_has_left:
            start_response(_CLIENT_LEFT, [])
            return ()
        if head is None:
            raise NoAnswer(
                "the ASGI application ended without an answer",
                hint="it is to send http.response.start and http.response.body",
            )
        status = int(head["status"])
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in head.get("headers", ())]
        start_response(_status_line(status), headers)
        return exchange


class _Exchange:
    """One request and its answer; iterates over the parts of the body."""

    def __init__(
        self,
        environ: WSGIEnvironment,
        loop: PluginLoop,
        on_error: Callable[[BaseException], object],
    ) -> None:
        self._input = environ["wsgi.input"]
        self._client = client_of(environ)
        self._left = _length(environ)
        self._loop = loop
        self._on_error = on_error
        self._arrived: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._call = Call()
        self._task: asyncio.Task[Any] | None = None
        self._taken: asyncio.Future[None] | None = None
        self._gone: asyncio.Event = asyncio.Event()
        self._received = self._begun = self._complete = self._closed = False
        self._is_out = self.client_has_left = False
        self._background: Background | None = None

    # -- on the loop ---------------------------------------------------------------------------

    def begin(self, app: Asgi, scope: Message) -> None:
        context = contextvars.copy_context()
        self._call = self._loop.submit(self._run, app, scope, context=context)
        self._call.add_done_callback(self._ended)

    async def _run(self, app: Asgi, scope: Message) -> None:
        failed, self._task = True, asyncio.current_task()
        try:
            await as_current_work(app(scope, self._receive, self._send))
            failed = False
        finally:
            if self._background is not None:
                self._background.over(failed=failed)

    async def _receive(self) -> Message:
        if self._received:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        piece = b"" if self._left == 0 else await self._piece()
        if self._left is not None:
            self._left -= len(piece)
        self._received = not piece or self._left == 0
        return {"type": "http.request", "body": piece, "more_body": not self._received}

    async def _piece(self) -> bytes:
        """Read by the request's thread, which waits for what comes from here."""
        asked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._arrived.put(("read", asked))
        return await asked

    async def _send(self, message: Message) -> None:
        if self._closed:
            raise OSError("the client has gone")
        if message["type"] == "http.response.start":
            self._begun = True
            self._arrived.put(("head", message))
        elif message["type"] == "http.response.body" and not self._complete:
            await self._send_part(message)

    async def _send_part(self, message: Message) -> None:
        part, more = message.get("body", b""), message.get("more_body", False)
        if not more:
            self._complete = True
            # Before the request ends, so that somebody counts it at every moment.
            self._background = Background.of_current(self._task)
        if part:
            self._taken = asyncio.get_running_loop().create_future()
            self._arrived.put(("part", bytes(part)))
            if more:
                await self._taken
        if not more:
            self._gone.set()
            self._arrived.put(("end", None))

    def _ended(self, call: Future[Any]) -> None:
        error = None if call.cancelled() else call.exception()
        if error is not None and self._begun:
            self._on_error(error)
        self._arrived.put(("end", error))

    # -- in the request's thread ---------------------------------------------------------------

    def next(self) -> Any:
        """The head, then each part; None at the end, and when the client left a stream. Raises
        what the application raised."""
        while True:
            try:
                kind, what = self._arrived.get(timeout=_LOOK)
            except queue.Empty:
                if self._look_at_client() and self._is_out:
                    return None
                continue
            if kind == "read":
                self._read(what)
            elif kind == "end":
                if what is not None and not self._complete:
                    raise what
                return None
            else:
                return what

    def _read(self, asked: asyncio.Future[bytes]) -> None:
        wanted = _PIECE if self._left is None else min(_PIECE, self._left)
        try:
            piece = self._input.read(wanted)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            self._loop.call_soon(_settle, asked, error)
        else:
            self._loop.call_soon(_settle, asked, piece)

    def _look_at_client(self) -> bool:
        """True when the client has left; the application hears of it when it asks."""
        if not self.client_has_left and has_left(self._client):
            self.client_has_left = True
            self._loop.call_soon(self._gone.set)
        return self.client_has_left

    def __iter__(self) -> Iterator[bytes]:
        self._is_out = True
        while (part := self.next()) is not None:
            yield part
            self._loop.call_soon(self._take)

    def _take(self) -> None:
        if self._taken is not None and not self._taken.done():
            self._taken.set_result(None)

    def close(self) -> None:
        """The client has the answer, or has gone: then the application is cancelled."""
        self._closed = True
        if not self._complete:
            self._loop.call_soon(self._gone.set)
            self._call.cancel()


def _no_websockets(environ: WSGIEnvironment) -> Response:
    return plain_error(
        501,
        "WebSockets are not served here",
        hint="a streaming answer works (text/event-stream, say), and so does the application "
        "under an ASGI server of its own",
        accept=environ.get("HTTP_ACCEPT", ""),
    )


def _settle(asked: asyncio.Future[bytes], result: Any) -> None:
    if asked.done():
        return
    if isinstance(result, Exception):
        asked.set_exception(result)
    else:
        asked.set_result(result)


def _status_line(status: int) -> str:
    known = status in HTTPStatus.__members__.values()
    return f"{status} {HTTPStatus(status).phrase}" if known else f"{status} Unknown"


def _length(environ: WSGIEnvironment) -> int | None:
    """Bytes of the body; None where that is told by its end."""
    if environ.get("wsgi.input_terminated"):
        return None
    return int(environ.get("CONTENT_LENGTH") or 0)


def scope_of(environ: WSGIEnvironment) -> Message:
    """The ASGI scope of a WSGI request, also of one that asks for a WebSocket; `path` has
    `root_path` in front, as the protocol asks."""
    mounted = environ.get("SCRIPT_NAME", "")
    path = _text(mounted + environ.get("PATH_INFO", ""))
    return {
        "type": "websocket" if _asks_for_websocket(environ) else "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": _text(mounted),
        "headers": list(_headers(environ)),
        "client": (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)),
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0)),
    }


def _asks_for_websocket(environ: WSGIEnvironment) -> bool:
    return str(environ.get("HTTP_UPGRADE", "")).strip().lower() == "websocket"


def _text(path: str) -> str:
    """WSGI gives the bytes of a path as if they were latin-1."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _headers(environ: WSGIEnvironment) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            name = name[5:]
        elif name not in ("CONTENT_TYPE", "CONTENT_LENGTH") or not value:
            continue
        yield name.replace("_", "-").lower().encode("latin-1"), value.encode("latin-1")
