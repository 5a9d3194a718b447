"""Answers that tell of a failure: JSON `{error, hint}`, or a page for a browser."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, json, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Response

from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import (
    CommandNotFound,
    DatabaseUnavailable,
    DevServerError,
    PermissionDenied,
    PluginHookFailed,
    PluginNotFound,
    PluginUnavailable,
    SwitchRefused,
)
from devserver.runtime.arguments import BadArguments

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the product's own pages."""

_log = logging.getLogger("devserver.web")
_STATUS: tuple[tuple[type[DevServerError], int], ...] = (
    (PluginNotFound, 404),
    (CommandNotFound, 404),
    (PermissionDenied, 403),
    (PluginUnavailable, 503),
    (DatabaseUnavailable, 503),
    (PluginHookFailed, 500),
    (SwitchRefused, 409),
    (DevServerError, 400),
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{status} {phrase}</title><link rel="stylesheet" href="{root}/static/devserver/theme.css">
<link rel="icon" href="{root}/static/devserver/icon.svg"></head>
<body class="error-page"><main><p class="error-code">{status} {phrase}</p>
<h1>{error}</h1>{hint}{found}{trace}<p><a href="{root}/">Dashboard</a></p></main></body></html>
"""


def error_response(
    environ: WSGIEnvironment,
    status: int,
    error: str,
    hint: str | None = None,
    *,
    diagnostics: Iterable[Diagnostic] = (),
    missing: Iterable[str] = (),
    traceback: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """`{"error", "hint"}` (with `diagnostics`, `missing` permissions and `traceback`, the plugin's
    own frames, where there are some), or the same as a page for a client that prefers HTML.
    Usable outside of Flask."""
    found, lacking = tuple(diagnostics), list(missing)
    if _prefers_html(environ):
        root = environ.get("SCRIPT_NAME", "").rstrip("/")
        page = _page(status, error, hint, found, traceback, root)
        response = Response(page, status, mimetype="text/html")
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    else:
        body: dict[str, Any] = {"error": error}
        if hint:
            body["hint"] = hint
        if found:
            body["diagnostics"] = [d.to_json() for d in found]
        if lacking:
            body["missing"] = lacking
        if traceback:
            body["traceback"] = traceback
        response = Response(json.dumps(body) + "\n", status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers.extend(list(headers))
    return response


def _prefers_html(environ: WSGIEnvironment) -> bool:
    accepted = parse_accept_header(environ.get("HTTP_ACCEPT"), MIMEAccept)
    return accepted["text/html"] > accepted["application/json"]


def _page(
    status: int,
    error: str,
    hint: str | None,
    found: tuple[Diagnostic, ...],
    traceback: str | None,
    root: str,
) -> str:
    lines = "".join(f"<li>{escape(f'{d.location} {d.code} {d.message}')}</li>" for d in found)
    return _PAGE.format(
        root=escape(root),
        status=status,
        phrase=escape(HTTPStatus(status).phrase),
        error=escape(error),
        hint=f"<p>{escape(hint)}</p>" if hint else "",
        found=f"<ul>{lines}</ul>" if lines else "",
        trace=f"<pre>{escape(traceback)}</pre>" if traceback else "",
    )


def install_error_pages(app: Flask) -> None:
    """Gives every failure within the app the shape of `error_response`."""
    app.register_error_handler(Refusal, _on_refusal)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(DevServerError, _on_product_error)
    app.register_error_handler(BadArguments, _on_bad_arguments)
    app.register_error_handler(Exception, _on_fault)


def _on_refusal(error: Refusal) -> Response:
    return error_response(
        request.environ,
        error.code or 400,
        error.error,
        error.hint,
        diagnostics=error.diagnostics,
        traceback=error.traceback,
    )


def _on_http_error(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return error.get_response(request.environ)
    told = (error.description or error.name).rstrip(".")
    hint: str | None = None
    headers: list[tuple[str, str]] = []
    if error.code == 404:
        told = f"nothing is at {request.path}"
        hint = "plugins answer below /NAME/; the dashboard at / lists them"
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        allowed = ", ".join(sorted(error.valid_methods))
        headers.append(("Allow", allowed))
        told, hint = f"{request.method} is not for {request.path}", f"it takes {allowed}"
    return error_response(request.environ, error.code, told, hint, headers=headers)


def _on_product_error(error: DevServerError) -> Response:
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    told = "Plugin not found" if isinstance(error, PluginNotFound) else error.message
    missing = error.missing if isinstance(error, PermissionDenied) else ()
    return error_response(request.environ, status, told, error.hint, missing=missing)


def _on_bad_arguments(error: BadArguments) -> Response:
    """In JSON alone: nobody runs commands from the address bar."""
    told = {"error": error.message, "hint": error.hint, "errors": error.errors}
    return Response(json.dumps(told) + "\n", 422, mimetype="application/json")


def _on_fault(error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    return error_response(
        request.environ, 500, "internal server error", "the server's log tells what happened"
    )


class Refusal(HTTPException):
    """An answer of that status, made by `error_response`."""

    def __init__(
        self,
        status: int,
        error: str,
        hint: str | None = None,
        diagnostics: tuple[Diagnostic, ...] = (),
        traceback: str | None = None,
    ) -> None:
        super().__init__(description=error)
        self.code = status
        self.error = error
        self.hint = hint
        self.diagnostics = diagnostics
        self.traceback = traceback


class BadInput(Refusal):
    """The request's input is not usable: `error` says what, `hint` what would be."""

    def __init__(self, error: str, hint: str, *, status: int = 400) -> None:
        super().__init__(status, error, hint)
