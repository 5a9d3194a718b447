"""Code of an application that stands between the gate and everything that answers."""

from __future__ import annotations

import asyncio
import inspect
import logging
import queue
import shutil
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import ClosingIterator

from devserver.core.errors import DevServerError
from devserver.runtime.uploads import IN_MEMORY
from devserver.web.errors import error_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

F = TypeVar("F", bound=Callable[..., Any])
Submit = Callable[..., "Future[Any]"]
_log = logging.getLogger("devserver.web")


class Url(str):
    """A URL as text; `path` is the part between host and query, prefixes of a mount included."""

    __slots__ = ("path",)
    path: str


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks."""

    host: str


class HttpRequest(Request):
    """What a middleware gets: a Werkzeug request that also has the names of an ASGI one. What it
    reads of the body is there for those that come after it, too."""

    _kept: IO[bytes] | None = None

    @cached_property
    def stream(self) -> IO[bytes]:
        kept = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the request
        shutil.copyfileobj(super().stream, kept)
        kept.seek(0)
        self._kept = cast("IO[bytes]", kept)
        return self._kept

    def environ_of_next(self) -> WSGIEnvironment:
        """What the next one is asked with: the body from its beginning."""
        if self._kept is not None:
            self._kept.seek(0)
            self.environ["wsgi.input"] = self._kept
        return self.environ

    def close(self) -> None:
        super().close()
        if self._kept is not None:
            self._kept.close()

    @property
    def url(self) -> Url:
        url = Url(super().url)
        url.path = self.root_path.rstrip("/") + self.path
        return url

    @property
    def query_params(self) -> Any:
        """The same as `args`."""
        return self.args

    @property
    def client(self) -> Client:
        return Client(self.remote_addr or "")


class Passed(Response):
    """An answer from further inside, as it is: nothing is added to it."""

    default_mimetype = None


class Middlewares:
    """`submit(function, *arguments)` runs a coroutine function on a loop that outlives the call
    and gives its future."""

    def __init__(self, app: Flask, *, submit: Submit) -> None:
        self._app = app
        self._submit = submit
        self._functions: tuple[Callable[..., Any], ...] = ()

    def add(self, function: F) -> F:
        """`function(request, call_next)` is asked from now on, before those that are there."""
        self._functions = (function, *self._functions)
        return function

    def around(self, inner: WSGIApplication) -> WSGIApplication:
        """An application that asks all of them, whenever they were added, and then `inner`."""

        def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            app = inner
            for function in reversed(self._functions):
                app = partial(self._ask, function, app)
            return app(environ, start_response)

        return serve

    def _ask(
        self,
        function: Callable[..., Any],
        inner: WSGIApplication,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        further = _Further(inner)
        request = HttpRequest(environ)
        run = self._on_loop if inspect.iscoroutinefunction(function) else _plainly
        try:
            response = self._response(run(function, request, further), environ)
        except (HTTPException, DevServerError) as error:
            # As when a view raises it: `abort(403)`, `PermissionDenied`.
            with self._app.request_context(environ):
                response = self._app.make_response(self._app.handle_user_exception(error))
        except Exception:  # noqa: BLE001 - the application's own code may raise anything
            name = getattr(function, "__name__", "middleware")
            _log.exception("the middleware %s failed", name)
            response = error_response(
                environ, 500, "internal server error", "the server's log tells what happened"
            )
        further.close_all(but=response)
        # For a HEAD request Werkzeug passes the body by, which has to be closed all the same.
        return ClosingIterator(response(environ, start_response), [response.close, request.close])

    def _on_loop(
        self, function: Callable[..., Any], request: HttpRequest, further: _Further
    ) -> Any:
        """The coroutine runs on the loop, what it asks for next in this thread, as without it."""
        wanted: queue.SimpleQueue[tuple[HttpRequest, asyncio.Future[Response]] | None]
        wanted = queue.SimpleQueue()

        async def call_next(asked: HttpRequest) -> Response:
            answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            wanted.put((asked, answer))
            return await answer

        call = self._submit(function, request, call_next)
        call.add_done_callback(lambda _: wanted.put(None))
        while (one := wanted.get()) is not None:
            asked, answer = one
            _settle(answer, partial(further.answer, asked))
        return call.result()

    def _response(self, answer: Any, environ: WSGIEnvironment) -> Response:
        if isinstance(answer, Response):
            return answer
        if hasattr(answer, "raw_headers") and isinstance(getattr(answer, "body", None), bytes):
            headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in answer.raw_headers]
            return Passed(answer.body, answer.status_code, headers)
        with self._app.request_context(environ):
            return self._app.make_response(answer)


class _Further:
    """What comes after a middleware, and the answers that it gave."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner
        self._given: list[Response] = []

    def answer(self, request: HttpRequest) -> Response:
        response = Passed.from_app(self._inner, request.environ_of_next())
        self._given.append(response)
        return response

    def close_all(self, but: Response | None = None) -> None:
        """Ends the answers that are not passed on."""
        for response in self._given:
            if response is not but:
                response.close()


def _plainly(function: Callable[..., Any], request: HttpRequest, further: _Further) -> Any:
    return function(request, further.answer)


def _settle(answer: asyncio.Future[Response], act: Callable[[], Response]) -> None:
    loop = answer.get_loop()
    try:
        response = act()
    except BaseException as error:  # noqa: BLE001 - raised in the coroutine that asked
        loop.call_soon_threadsafe(_unless_done, answer.set_exception, answer, error)
    else:
        loop.call_soon_threadsafe(_unless_done, answer.set_result, answer, response)


def _unless_done(settle: Callable[[Any], None], answer: Awaitable[Any], value: Any) -> None:
    if isinstance(answer, asyncio.Future) and not answer.done():
        settle(value)
