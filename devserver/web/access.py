"""Who asks: the run's token or a process of the developer's own may do everything, a token of
config/main.yaml what it was granted."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from werkzeug.wrappers import Response

from devserver.core.errors import PermissionDenied
from devserver.core.permissions import Caller, control_permission
from devserver.web.errors import error_response
from devserver.web.peer import peer_is_same_user
from devserver.web.tokens import FindToken

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_FORWARDED = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_REAL_IP",
    "HTTP_VIA",
)


class Access:
    """Finds out who sent a request.

    `trusts_own_user` takes processes of the user that runs the server for the developer.
    """

    def __init__(
        self, *, token: str, port: int, trusts_own_user: bool, find_token: FindToken
    ) -> None:
        self._token = token.encode()
        self._port = port
        self._trusts_own_user = trusts_own_user
        self._find_token = find_token

    def admit(self, environ: WSGIEnvironment, *, addressed_to_loopback: bool) -> Response | Caller:
        """Who makes a control call, or the answer to give where it may not go on."""
        if self._is_login(environ):
            return self._log_in(environ)
        caller = self.find_caller(environ, addressed_to_loopback=addressed_to_loopback)
        if caller is None:
            return error_response(
                environ,
                401,
                "this needs the token of the running server",
                "open the link that the server printed, or send `Authorization: Bearer TOKEN`",
                headers=[("WWW-Authenticate", 'Bearer realm="devserver"')],
            )
        method, path = environ.get("REQUEST_METHOD", "GET"), environ.get("PATH_INFO", "")
        missing = caller.missing([control_permission(method, path)])
        if missing:
            denied = PermissionDenied(*missing, caller=caller.name)
            return error_response(environ, 403, denied.message, denied.hint, missing=missing)
        return caller

    def find_caller(
        self, environ: WSGIEnvironment, *, addressed_to_loopback: bool
    ) -> Caller | None:
        """Who sent a request; None for nobody known.

        A call to another name than this machine's loopback may come from somebody else through
        a proxy of the developer's own: it needs a token. A token that is sent counts, also where
        the developer needs none.
        """
        credential = _bearer(environ)
        if self._is_token(credential) or self._has_cookie(environ):
            return Caller()
        known = self._find_token(credential) if credential else None
        if known is not None:
            return known
        direct = addressed_to_loopback and not any(name in environ for name in _FORWARDED)
        if self._trusts_own_user and direct and peer_is_same_user(environ):
            return Caller()
        return None

    def hide_credentials(self, environ: WSGIEnvironment) -> None:
        """Takes this server's tokens out of a request that goes to a plugin, and cookies that
        it could not read; what it sends of its own stays."""
        credential = _bearer(environ)
        if credential and (self._is_token(credential) or self._find_token(credential)):
            del environ["HTTP_AUTHORIZATION"]
        own = self._cookie_name(environ)
        kept = [c for c in _cookies(environ) if c.partition("=")[0] != own and _is_readable(c)]
        if "HTTP_COOKIE" in environ:
            environ["HTTP_COOKIE"] = "; ".join(kept)

    def _is_login(self, environ: WSGIEnvironment) -> bool:
        if environ.get("PATH_INFO") not in ("", "/") or environ.get("REQUEST_METHOD") != "GET":
            return False
        query = parse_qs(environ.get("QUERY_STRING", ""))
        return self._is_token(query.get("token", [""])[0])

    def _log_in(self, environ: WSGIEnvironment) -> Response:
        """Puts the token into a cookie, so that it does not stay in the address bar."""
        response = Response(status=303)
        root = environ.get("SCRIPT_NAME", "").rstrip("/")
        response.headers["Location"] = f"{root}/"
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.set_cookie(
            self._cookie_name(environ),
            self._token.decode(),
            path=f"{root}/",
            httponly=True,
            samesite="Strict",
        )
        return response

    def _is_token(self, given: str) -> bool:
        return bool(given) and hmac.compare_digest(given.encode(errors="replace"), self._token)

    def _cookie_name(self, environ: WSGIEnvironment) -> str:
        # Cookies are shared by all ports of a host: each server has its own name.
        return f"devserver_token_{self._port or environ.get('SERVER_PORT', 0)}"

    def _has_cookie(self, environ: WSGIEnvironment) -> bool:
        own = self._cookie_name(environ)
        found = (c.partition("=") for c in _cookies(environ))
        return any(name == own and self._is_token(value) for name, _, value in found)


def _bearer(environ: WSGIEnvironment) -> str:
    scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _cookies(environ: WSGIEnvironment) -> list[str]:
    """What the browser keeps for this host, as `NAME=VALUE`: of all its ports and programs."""
    parts = (part.strip() for part in environ.get("HTTP_COOKIE", "").split(";"))
    return [part for part in parts if part]


def _is_readable(cookie: str) -> bool:
    """False for one that is no UTF-8: whoever reads one of a request decodes them all."""
    try:
        cookie.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True
