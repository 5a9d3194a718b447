"""Who may use the control calls: the run's token, or a process of the developer's own."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from werkzeug.http import parse_cookie
from werkzeug.wrappers import Response

from devserver.web.errors import error_response
from devserver.web.peer import peer_is_same_user

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_VIA")


class Access:
    """Checks the credential of a control call.

    `trusts_own_user` admits processes of the user that runs the server without a token.
    """

    def __init__(self, *, token: str, port: int, trusts_own_user: bool) -> None:
        self._token = token.encode()
        self._port = port
        self._trusts_own_user = trusts_own_user

    def admit(self, environ: WSGIEnvironment, *, addressed_to_loopback: bool) -> Response | None:
        """None when the call may go on, else the answer to give.

        A call to another name than this machine's loopback may come from somebody else through
        a proxy of the developer's own: it needs the token.
        """
        if self._is_login(environ):
            return self._log_in(environ)
        if self._has_token(environ):
            return None
        direct = addressed_to_loopback and not any(name in environ for name in _FORWARDED)
        if self._trusts_own_user and direct and peer_is_same_user(environ):
            return None
        return error_response(
            environ,
            401,
            "this needs the token of the running server",
            "open the link that the server printed, or send `Authorization: Bearer TOKEN`",
            headers=[("WWW-Authenticate", 'Bearer realm="devserver"')],
        )

    def hide_cookie(self, environ: WSGIEnvironment) -> None:
        """Takes the token's cookie out of a request that goes to a plugin."""
        cookies = environ.get("HTTP_COOKIE", "")
        if self._cookie_name(environ) not in cookies:
            return
        kept = [
            part.strip()
            for part in cookies.split(";")
            if part.partition("=")[0].strip() != self._cookie_name(environ)
        ]
        environ["HTTP_COOKIE"] = "; ".join(kept)

    def _has_token(self, environ: WSGIEnvironment) -> bool:
        scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() == "bearer" and self._is_token(credential.strip()):
            return True
        return self._is_token(self._cookie(environ))

    def _is_login(self, environ: WSGIEnvironment) -> bool:
        if environ.get("PATH_INFO") not in ("", "/") or environ.get("REQUEST_METHOD") != "GET":
            return False
        query = parse_qs(environ.get("QUERY_STRING", ""))
        return self._is_token(query.get("token", [""])[0])

    def _log_in(self, environ: WSGIEnvironment) -> Response:
        """Puts the token into a cookie, so that it does not stay in the address bar."""
        response = Response(status=303)
        response.headers["Location"] = "/"
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.set_cookie(
            self._cookie_name(environ), self._token.decode(), httponly=True, samesite="Strict"
        )
        return response

    def _is_token(self, given: str) -> bool:
        return bool(given) and hmac.compare_digest(given.encode(errors="replace"), self._token)

    def _cookie_name(self, environ: WSGIEnvironment) -> str:
        # Cookies are shared by all ports of a host: each server has its own name.
        return f"devserver_token_{self._port or environ.get('SERVER_PORT', 0)}"

    def _cookie(self, environ: WSGIEnvironment) -> str:
        return parse_cookie(environ).get(self._cookie_name(environ)) or ""
