"""The one gate in front of every path: who may ask for what, before anything else runs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from devserver.core.names import RESERVED, normalise
from devserver.core.permissions import NOBODY, Caller
from devserver.runtime.clients import client_of
from devserver.runtime.dispatcher import CALLER_KEY
from devserver.web.access import Access
from devserver.web.authority import (
    Authority,
    HostPolicy,
    Origin,
    is_loopback,
    parse_authority,
    parse_origin,
)
from devserver.web.errors import error_response
from devserver.web.tokens import FindToken

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CONTROL = frozenset({"api", "admin", "plugins", "docs"})
_OURS = RESERVED | {"openapi.json"}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LENGTH = re.compile(r"[0-9]{0,18}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """`host` is the address that the server listens on, `allowed_hosts` further names that it
    answers to, `allowed_origins` those whose pages may call plugins (`http://localhost:3000`).
    With `require_token` the developer's own processes need the token too. `port` names the
    cookie; 0 stands for the port that a request comes in at."""

    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    require_token: bool = False
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What the gate looks at. `host` is the Host header's; `origin` is None without one."""

    environ: WSGIEnvironment
    method: str
    control: bool
    of_plugin: bool
    host: Authority
    origin: str | None


class Gatekeeper:
    """WSGI middleware: refuses what is malformed, not addressed to this server, sent by a foreign
    page, or a control call without a credential; the rest goes on to `app`."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        token: str,
        settings: GateSettings,
        find_token: FindToken = lambda _: None,
    ) -> None:
        self._app = app
        self._hosts = HostPolicy(bound=settings.host, allowed=settings.allowed_hosts)
        origins = map(parse_origin, settings.allowed_origins)
        self._origins = frozenset(origin for origin in origins if origin is not None)
        self._access = Access(
            token=token,
            port=settings.port,
            trusts_own_user=self._hosts.is_loopback_only and not settings.require_token,
            find_token=find_token,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _read(environ)
        if isinstance(request, Response):
            return request(environ, _protected(start_response, None))
        reader = request.origin if self._is_named(request) else None
        start = _protected(start_response, reader)
        answer = self._judge(request)
        if answer is not None:
            return answer(environ, start)
        if not request.control:
            environ[CALLER_KEY] = self._caller_of(request)
            self._access.hide_credentials(environ)
        return self._app(environ, start)

    def _judge(self, request: _Request) -> Response | None:
        """The gate's own answer, or None when the request may go on."""
        refusal = self._refuse_host(request) or self._refuse_origin(request)
        if refusal is not None:
            return refusal
        if request.origin is not None and self._is_named(request) and _is_preflight(request):
            return _preflight(request)
        if not request.control:
            return None
        if _sent_by_foreign_page(request):
            return error_response(
                request.environ,
                403,
                "another site's page may not use this server's control calls",
                "open the dashboard itself, or call from a terminal",
            )
        caller = self._access.admit(
            request.environ, addressed_to_loopback=is_loopback(request.host.host)
        )
        if isinstance(caller, Response):
            return caller
        request.environ[CALLER_KEY] = lambda: caller
        return None

    def _caller_of(self, request: _Request) -> Callable[[], Caller]:
        """Who sends a request to a plugin, found out when the plugin wants to know. What a page
        of another site embeds is not done for whoever looks at that page."""
        before = {**request.environ}  # with the credentials, which the plugin does not see

        @functools.cache
        def find() -> Caller:
            if _sent_by_foreign_page(request):
                return NOBODY
            loopback = is_loopback(request.host.host)
            return self._access.find_caller(before, addressed_to_loopback=loopback) or NOBODY

        return find

    def _refuse_host(self, request: _Request) -> Response | None:
        if self._hosts.accepts(request.host.host, _local_address(request.environ)):
            return None
        return error_response(
            request.environ,
            403,
            f"this server does not answer to the host name {request.host.host!r}",
            "add it to server.allowed_hosts in config/main.yaml if it is meant to",
        )

    def _refuse_origin(self, request: _Request) -> Response | None:
        if request.origin is None or self._is_own(request) or self._is_named(request):
            return None
        return error_response(
            request.environ,
            403,
            "pages of this origin may not call this server",
            "server.allowed_origins in config/main.yaml names the origins that may call plugins",
        )

    def _is_own(self, request: _Request) -> bool:
        """True for a page that this server itself gave out, under whichever of its names."""
        origin = parse_origin(request.origin or "")
        if origin is None or not _may_be_scheme(origin, request):
            return False
        default = 443 if origin.scheme == "https" else 80
        if (origin.host, origin.port) == (request.host.host, request.host.port or default):
            return True
        port = int(request.environ.get("SERVER_PORT") or 0)
        local = _local_address(request.environ)
        return origin.port == port and self._hosts.accepts(origin.host, local)

    def _is_named(self, request: _Request) -> bool:
        origin: Origin | None = parse_origin(request.origin or "")
        return origin is not None and request.of_plugin and origin in self._origins


def _read(environ: WSGIEnvironment) -> _Request | Response:
    """The request as the gate sees it, or the refusal of a malformed one."""
    host = parse_authority(str(environ.get("HTTP_HOST", "")).strip())
    if host is None:
        return error_response(
            environ, 400, "the Host header is missing or malformed", "it is NAME or NAME:PORT"
        )
    if not _LENGTH.match(str(environ.get("CONTENT_LENGTH", ""))):
        return error_response(
            environ, 400, "malformed Content-Length", "it is the body's size in bytes"
        )
    method = str(environ.get("REQUEST_METHOD", "GET"))
    segments = [s for s in str(environ.get("PATH_INFO", "")).split("/") if s]
    first = normalise(segments[0]).lower() if segments else ""
    public = method in ("GET", "HEAD") and segments == ["api", "hot-reload", "status"]
    return _Request(
        environ=environ,
        method=method,
        control=(first in _CONTROL or not segments) and not public,
        of_plugin=bool(first) and first not in _OURS,
        host=host,
        origin=environ.get("HTTP_ORIGIN"),
    )


def _may_be_scheme(origin: Origin, request: _Request) -> bool:
    """This server speaks http. A proxy may speak https for it: under a name that is configured,
    or telling so; any other https page comes from another server of this machine."""
    environ = request.environ
    told = str(environ.get("HTTP_X_FORWARDED_PROTO") or environ.get("wsgi.url_scheme") or "http")
    return origin.scheme == told.strip().lower() or not is_loopback(request.host.host)


def _local_address(environ: WSGIEnvironment) -> str:
    connection = client_of(environ)
    try:
        return str(connection.getsockname()[0]) if connection is not None else ""
    except OSError:
        return ""


def _sent_by_foreign_page(request: _Request) -> bool:
    """What the browser tells of the page that asks, where it sends no Origin.

    A link on another site may be followed: that shows a page and changes nothing.
    """
    site = request.environ.get("HTTP_SEC_FETCH_SITE", "none").strip().lower()
    if site in ("none", "same-origin") or request.origin is not None:
        return False
    mode = request.environ.get("HTTP_SEC_FETCH_MODE", "").strip().lower()
    target = request.environ.get("HTTP_SEC_FETCH_DEST", "document").strip().lower()
    return not (request.method in _READING and mode == "navigate" and target == "document")


def _is_preflight(request: _Request) -> bool:
    return request.method == "OPTIONS" and bool(
        request.environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
    )


def _preflight(request: _Request) -> Response:
    """Lets the page of a named origin send what it asked to send."""
    environ = request.environ
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = _token_list(
        environ["HTTP_ACCESS_CONTROL_REQUEST_METHOD"]
    )
    asked = _token_list(environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
    if asked:
        response.headers["Access-Control-Allow-Headers"] = asked
    if environ.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true":
        response.headers["Access-Control-Allow-Private-Network"] = "true"
    response.headers["Access-Control-Max-Age"] = "600"
    return response


def _token_list(text: str) -> str:
    return ", ".join(re.findall(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", text))


def _protected(start_response: StartResponse, origin: str | None) -> StartResponse:
    """Adds the headers that every answer has; `origin` is one that may read this answer."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
        kept = Headers([(k, v) for k, v in headers if not _grants_origin(k)])
        kept.setdefault("X-Content-Type-Options", "nosniff")
        kept.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if origin is not None:
            kept["Access-Control-Allow-Origin"] = origin
            kept["Access-Control-Allow-Credentials"] = "true"
            kept.add("Vary", "Origin")
        return start_response(status, kept.to_wsgi_list(), *rest)

    return start


def _grants_origin(header: str) -> bool:
    return header.lower() in (
        "access-control-allow-origin",
        "access-control-allow-credentials",
    )
