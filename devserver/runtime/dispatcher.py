"""Serves plugin routes in front of the host's own pages: one look at the view, no lock."""

from __future__ import annotations

import contextvars
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from devserver.core.errors import CommitFailed, DatabaseUnavailable, PluginUnavailable
from devserver.core.names import RESERVED
from devserver.runtime.canary import Share
from devserver.runtime.clients import client_of
from devserver.runtime.gate import CURRENT, FROM_OURSELVES, Flight, Gate
from devserver.runtime.pages import plain_error
from devserver.runtime.registry import PluginRecord, Registry
from devserver.runtime.routes import mount_point
from devserver.runtime.streams import OpenStream
from devserver.runtime.uploads import UploadFailed, take_in
from devserver.runtime.work_database import SCOPE, WorkScope
from devserver.sdk.permissions import CALLER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CALLER_KEY = "devserver.caller"
"""The environ key of a function that tells who asks; without it everybody may do everything."""


class Dispatcher:
    """A WSGI application. `/NAME/...` goes to the plugin's generation, which the request pins
    until it ends; everything else to `fallback`.

    `from_ourselves(environ)` tells whether the request comes from this very process: such a one
    may be part of a request that a reload waits for, so it is never held.
    """

    def __init__(
        self,
        registry: Registry,
        gate: Gate,
        fallback: WSGIApplication,
        *,
        from_ourselves: Callable[[dict[str, Any]], bool] = lambda _: False,
    ) -> None:
        self._registry = registry
        self._gate = gate
        self._fallback = fallback
        self._from_ourselves = from_ourselves

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # A context of its own: what a request sets there does not stay with its connection.
        context = contextvars.copy_context()
        context.run(FROM_OURSELVES.set, partial(self._from_ourselves, environ))
        if CALLER_KEY in environ:
            context.run(CALLER.set, environ[CALLER_KEY])
        scope = WorkScope()
        context.run(SCOPE.set, scope)
        return context.run(self._serve, context, scope, environ, start_response)

    def _serve(
        self,
        context: contextvars.Context,
        scope: WorkScope,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        begun = time.monotonic()
        key, rest = mount_point(environ.get("PATH_INFO", ""))
        record = None if key in RESERVED else self._registry.view.find(key)
        if record is None:
            return self._fallback(environ, start_response)
        segment = environ["PATH_INFO"].lstrip("/").partition("/")[0]
        body: IO[bytes] | None = None
        try:
            if record.answering is not None or record.awaits_use:
                body = take_in(environ)
            label = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"
            flight, share = self._gate.enter_with_share(key, label, environ)
        except PluginUnavailable as error:
            _close(body)
            now = self._registry.view.find(key)
            if now is None:  # its first use would have loaded it, had it not been deleted
                return self._fallback(environ, start_response)
            return self._unavailable(now, error, environ, start_response)
        except UploadFailed as error:
            return _refused(error, environ, start_response)
        # A copy: the server logs the request by its own environ, with the path as it came, and
        # reads what is left of the body from there.
        below = {
            **environ,
            "SCRIPT_NAME": f"{environ.get('SCRIPT_NAME', '')}/{segment}",
            "PATH_INFO": rest or "/",
        }
        if body is not None:
            below["wsgi.input"] = body
        CURRENT.set(flight)
        return _Answer(
            self._gate, flight, context, scope, below, start_response, body, begun, share
        )

    def _unavailable(
        self,
        record: PluginRecord,
        error: PluginUnavailable,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        what = f"plugin {record.name!r} is {record.status}: {record.reason}"
        if record.generation is not None:
            what = f"plugin {record.name!r} was put into service without its routes"
        answer = plain_error(
            503,
            what,
            hint=error.hint or _way_out(record),
            accept=environ.get("HTTP_ACCEPT", ""),
            diagnostics=[d.to_json() for d in record.diagnostics],
        )
        answer.headers["Retry-After"] = "1"
        return answer(environ, start_response)


def _way_out(record: PluginRecord) -> str:
    if record.withheld or not record.routed:
        what = "it" if record.routed else "them"
        return f"`sysctl plugins enable {record.name}` puts {what} into service"
    return "fix what the diagnostics say and save; it is then tried again"


def _refused(
    error: UploadFailed, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    answer = plain_error(
        error.status, str(error), hint=error.hint, accept=environ.get("HTTP_ACCEPT", "")
    )
    answer.headers["Connection"] = "close"
    return answer(environ, start_response)


def _close(body: IO[bytes] | None) -> None:
    if body is not None:
        body.close()


class _Answer:
    """The body of a plugin's answer, made while the flight is the current work of `context`.

    The flight ends with its first part, which is on its way then, the headers with it; what comes
    after it is a stream on the same generation.
    """

    def __init__(
        self,
        gate: Gate,
        flight: Flight,
        context: contextvars.Context,
        scope: WorkScope,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        body: IO[bytes] | None,
        begun: float,
        share: Share | None,
    ) -> None:
        self._begun = begun
        self._is_timed = False
        self._gate = gate
        self._flight = flight
        self._context = context
        self._received = body
        self._share = share
        self._parts: Iterable[bytes] = ()
        self._start_response = start_response
        self._has_length = False
        self._closed = False
        self._scope = scope
        self._failed = False
        self._is_settled = False
        self._head: Any = ()
        self._written: list[bytes] = []
        self._environ = environ
        try:
            app = flight.generation.app
            flight.generation.counters.requests += 1
            if app is not None:
                self._parts = app.wsgi_app(environ, self._start)
            self._settle(environ)
        except BaseException:  # whatever ends the request, its flight ends with it
            _close(body)
            self._failed = True
            self._end_flight()
            raise
        self._stream = OpenStream(
            chain(self._written, self._parts) if self._written else self._parts,
            context=context,
            client=client_of(environ),
            ends_early=lambda: not self._has_length,
        )

    def _start(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        self._failed = status.startswith("5")
        self._has_length = any(name.lower() == "content-length" for name, _ in headers)
        if self._share is not None:
            headers = [*headers, *self._share.headers]
        self._head = (status, headers, *rest)
        if self._is_settled:  # an application that begins with its first part
            return self._start_response(*self._head)
        return self._written.append

    def _settle(self, environ: WSGIEnvironment) -> None:
        """Commits before the client is told that it went well; then the headers are given."""
        try:
            if self._head:
                self._scope.settle(failed=self._failed)
        except (DatabaseUnavailable, CommitFailed) as error:
            answer = plain_error(
                503 if isinstance(error, DatabaseUnavailable) else 500,
                f"what the request wrote to the database is lost: {error.message}",
                hint=error.hint,
                accept=environ.get("HTTP_ACCEPT", ""),
            )
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
            self._written.clear()
            self._parts = answer(environ, self._start)
        self._is_settled = True
        if self._head:
            self._count()
            self._start_response(*self._head)

    def _count(self) -> None:
        if self._share is not None:
            self._share.done(failed=self._failed)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._on_its_way()
        except Exception as error:  # what a plugin's answer raises while it is made
            app = self._flight.generation.app
            if app is None or self._flight.stream is not None:
                raise
            # Nothing is out yet: another answer takes the place of the one that failed.
            answer = app.failures.answer(error, self._environ.get("HTTP_ACCEPT", ""))
            instead = (sys.exc_info(),) if self._head else ()
            yield from answer(self._environ, lambda *head: self._start(*head, *instead))

    def _on_its_way(self) -> Iterator[bytes]:
        flight = self._flight
        for part in self._stream:
            if flight.stream is None:
                self._time()
                # First the one, then the other: who counts both never sees none.
                flight.stream = self._stream
                flight.generation.streams[flight.id] = flight
                self._gate.leave(flight)
            yield part

    def _time(self) -> None:
        """The answer is on its way; the wait for a reload counts, what a stream sends does not."""
        if not self._is_timed:
            self._is_timed = True
            taken = time.monotonic() - self._begun
            self._flight.generation.counters.latency.observe(taken)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._time()
        self._stream.close()
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                self._context.run(close)
        finally:
            _close(self._received)
            self._end_flight()

    def _end_flight(self) -> None:
        self._count()
        with suppress(DatabaseUnavailable, CommitFailed):  # what a stream did; its answer is out
            self._scope.end(failed=self._failed)
        self._flight.stream = None
        self._flight.generation.streams.pop(self._flight.id, None)
        self._gate.leave(self._flight)
