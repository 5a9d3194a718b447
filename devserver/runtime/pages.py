"""Error answers: JSON, or a small page for a browser."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from flask import Response, json, request

from devserver.core.errors import DevServerError, PermissionDenied, PluginUnavailable

ErrorSink = Callable[[BaseException], str]
"""Is told what plugin code raised; gives the traceback as text."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {error}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><h1>{status}</h1><p><strong>{error}</strong></p><p>{hint}</p>{details}</body></html>
"""


def safe_str(error: BaseException) -> str:
    """The text of what plugin code raised, also where making it raises in turn."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the plugin's own __str__
        return "(its text cannot be made)"


def wants_page(accept: str) -> bool:
    """True for a browser: it names text/html before JSON or anything."""
    for kind in accept.split(","):
        name = kind.split(";")[0].strip()
        if name in ("application/json", "*/*"):
            return False
        if name == "text/html":
            return True
    return False


def error_page(status: int, error: str, *, hint: str | None = None, **more: Any) -> Response:
    """`{"error", "hint", ...}` or the same as HTML; needs a request context."""
    return _build(status, error, hint, None, wants_page(request.headers.get("Accept", "")), more)


def _build(
    status: int, error: str, hint: str | None, details: str | None, page: bool, more: dict[str, Any]
) -> Response:
    if page:
        text = _PAGE.format(
            status=status,
            error=escape(error),
            hint=escape(hint or ""),
            details=f"<pre>{escape(details)}</pre>" if details else "",
        )
        return Response(text, status, mimetype="text/html")
    body: dict[str, Any] = {"error": error, "hint": hint, **more}
    if details:
        body["traceback"] = details
    return Response(json.dumps(body) + "\n", status, mimetype="application/json")


def plain_error(
    status: int,
    error: str,
    *,
    hint: str | None = None,
    accept: str = "",
    details: str | None = None,
    **more: Any,
) -> Response:
    """The same outside of a request context; `accept` is the request's Accept header, `details`
    preformatted text such as a traceback."""
    return _build(status, error, hint, details, wants_page(accept), more)


def told_by_us(error: Exception, accept: str) -> Response | None:
    """The answer for what the product itself raises in views; None for anything else."""
    if isinstance(error, PermissionDenied):
        return plain_error(
            403, error.message, hint=error.hint, accept=accept, missing=error.missing
        )
    if isinstance(error, PluginUnavailable):
        answer = plain_error(503, error.message, hint=error.hint, accept=accept)
        answer.headers["Retry-After"] = "1"
        return answer
    return None


class Failures:
    """Answers to what plugin code raises in requests. `report` is told of it and gives the
    traceback, `mask` takes secrets out of texts."""

    def __init__(self, report: ErrorSink, mask: Callable[[str], str]) -> None:
        self.report = report
        self._mask = mask

    def answer(self, error: Exception, accept: str) -> Response:
        """Reported, and told to the client; what the product itself raises is no failure."""
        return told_by_us(error, accept) or self.page(error, accept, self.report(error))

    def page(self, error: Exception, accept: str, trace: str) -> Response:
        """The page alone; `trace` is told along."""
        return plain_error(
            500,
            self._mask(f"{type(error).__name__}: {safe_str(error)}"),
            hint=hint_on(error),
            accept=accept,
            details=self._mask(trace),
        )


def hint_on(error: Exception) -> str:
    """The next step after what a view raised."""
    told = error.hint if isinstance(error, DevServerError) else None
    return told or "the traceback is in the terminal and below"
