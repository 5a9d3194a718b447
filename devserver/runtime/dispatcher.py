"""Serves plugin routes in front of the host's own pages: one look at the view, no lock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from devserver.core.errors import PluginUnavailable
from devserver.core.names import RESERVED
from devserver.runtime.gate import CURRENT, Flight, Gate
from devserver.runtime.pages import plain_error
from devserver.runtime.registry import PluginRecord, Registry
from devserver.runtime.routes import mount_point

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("devserver.routes")


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
        key, rest = mount_point(environ.get("PATH_INFO", ""))
        record = None if key in RESERVED else self._registry.view.find(key)
        if record is None:
            return self._fallback(environ, start_response)
        segment = environ["PATH_INFO"].lstrip("/").partition("/")[0]
        try:
            flight = self._enter(key, environ)
        except PluginUnavailable as error:
            return self._unavailable(record, error, environ, start_response)
        # A copy: the server logs the request by its own environ, with the path as it came.
        below = {
            **environ,
            "SCRIPT_NAME": f"{environ.get('SCRIPT_NAME', '')}/{segment}",
            "PATH_INFO": rest or "/",
        }
        return _Answer(self._gate, flight, below, start_response)

    def _enter(self, key: str, environ: WSGIEnvironment) -> Flight:
        label = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"
        generation = self._registry.view.generation(key)
        held = generation is not None and generation.hold is not None
        return self._gate.enter(key, label, never_hold=held and self._from_ourselves(environ))

    def _unavailable(
        self,
        record: PluginRecord,
        error: PluginUnavailable,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        answer = plain_error(
            503,
            f"plugin {record.name!r} is {record.status}: {record.reason}",
            hint=error.hint or _way_out(record),
            accept=environ.get("HTTP_ACCEPT", ""),
            diagnostics=[d.to_json() for d in record.diagnostics],
        )
        answer.headers["Retry-After"] = "1"
        return answer(environ, start_response)


def _way_out(record: PluginRecord) -> str:
    if record.withheld:
        return f"`sysctl plugins enable {record.name}` puts it into service"
    return "fix what the diagnostics say and save; it is then tried again"


class _Answer:
    """The body of a plugin's answer. The flight ends with it, or, for a stream, when its first
    part (and with it the headers) has gone out."""

    def __init__(
        self,
        gate: Gate,
        flight: Flight,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> None:
        self._gate = gate
        self._flight = flight
        self._body: Iterable[bytes] = ()
        self._closed = False
        token = CURRENT.set(flight)
        try:
            app = flight.generation.app
            flight.generation.counters.requests += 1
            if app is not None:
                self._body = app.wsgi_app(environ, start_response)
        except BaseException:  # whatever ends the request, its flight ends with it
            self.close()
            raise
        finally:
            CURRENT.reset(token)

    def __iter__(self) -> Iterator[bytes]:
        iterator = iter(self._body)
        while True:
            token = CURRENT.set(self._flight)
            try:
                part = next(iterator)
            except StopIteration:
                return
            finally:
                CURRENT.reset(token)
            yield part
            if self._flight.id not in self._flight.generation.streams:
                # Asked for more: the first part is on its way, the headers with it.
                self._flight.generation.streams[self._flight.id] = self._flight
                self._gate.leave(self._flight)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        token = CURRENT.set(self._flight)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            CURRENT.reset(token)
            self._flight.generation.streams.pop(self._flight.id, None)
            self._gate.leave(self._flight)
