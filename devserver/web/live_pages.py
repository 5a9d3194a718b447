"""HTML pages of plugins keep themselves fresh: each gets a small script that looks whether its
plugin has been reloaded, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header

from devserver.runtime.pages import wants_page
from devserver.runtime.registry import Registry
from devserver.runtime.routes import mount_point

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SCRIPT = '<script src="{root}/static/devserver/live.js" data-plugin="{plugin}" '
_SCRIPT += 'data-generation="{generation}" defer></script>'
_LARGEST = 2_000_000
"""Bytes. Larger pages are left as they are: they would be held back until they are whole."""
_DOCUMENTS = frozenset({"document", "iframe", "frame"})
_OF_THE_CONTENT = ("ETag", "Last-Modified", "Content-MD5", "Digest", "Accept-Ranges")


class LivePages:
    """A WSGI application around the one that serves plugins. Streams, compressed answers, parts
    of pages that a script fetches, and pages whose policy forbids the script stay as they are.

    `wanted()` tells whether the settings want it.
    """

    def __init__(
        self, served: WSGIApplication, registry: Registry, *, wanted: Callable[[], bool]
    ) -> None:
        self._served = served
        self._registry = registry
        self._wanted = wanted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key, _ = mount_point(environ.get("PATH_INFO", ""))
        record = self._registry.view.find(key)
        if record is None or not _is_navigation(environ) or not self._wanted():
            return self._served(environ, start_response)
        # Of before the answer: should it be of a later one, the page refreshes once for nothing.
        generation = 0 if record.generation is None else record.generation.number
        script = _SCRIPT.format(
            root=escape(environ.get("SCRIPT_NAME", "")),
            plugin=escape(record.name),
            generation=generation,
        )
        return _with(script.encode(), self._served, environ, start_response)


def _with(
    script: bytes, served: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    head: list[Any] = []
    written: list[bytes] = []
    returned = False

    def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        head.clear()
        if returned or not _takes(Headers(headers)):
            return start_response(status, headers, *error)
        head.extend((status, headers, *error))
        return written.append

    parts = served(environ, begin)
    returned = True
    if not head:
        return parts
    try:
        content = b"".join([*written, *parts])
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    if not head:  # making the page failed: another answer has taken its place
        return [content]
    status, headers, *error = head
    content = _inserted(content, script)
    start_response(status, _headers(headers, len(content)), *error)
    return [content]


def _is_navigation(environ: WSGIEnvironment) -> bool:
    """True when the answer becomes a page of its own, not something that a script asked for."""
    if environ.get("REQUEST_METHOD") != "GET":
        return False
    told = environ.get("HTTP_SEC_FETCH_DEST")
    if told is not None:
        return told in _DOCUMENTS
    return wants_page(environ.get("HTTP_ACCEPT", ""))


def _takes(headers: Headers) -> bool:
    kind, options = parse_options_header(headers.get("Content-Type"))
    charset = options.get("charset", "utf-8").lower()
    if kind.lower() != "text/html" or charset.startswith(("utf-16", "utf-32")):
        return False
    length = headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > _LARGEST:
        return False
    encoded = headers.get("Content-Encoding", "identity").lower() != "identity"
    return not encoded and "Content-Range" not in headers and _permits(headers)


def _permits(headers: Headers) -> bool:
    """True when no Content-Security-Policy forbids a script of this server, or its calls."""
    policies = ",".join(headers.getlist("Content-Security-Policy")).split(",")
    for policy in policies:
        rules: dict[str, set[str]] = {}
        for directive in policy.split(";"):
            name, *sources = directive.lower().split() or [""]
            rules.setdefault(name, {*sources})
        other = rules.get("default-src")
        scripts = rules.get("script-src-elem", rules.get("script-src", other))
        calls = rules.get("connect-src", other)
        if "sandbox" in rules and "allow-scripts" not in rules["sandbox"]:
            return False
        if not all(rule is None or _has_ourselves(rule) for rule in (scripts, calls)):
            return False
    return True


def _has_ourselves(sources: set[str]) -> bool:
    return bool(sources & {"'self'", "*"}) and "'strict-dynamic'" not in sources


def _inserted(content: bytes, script: bytes) -> bytes:
    """At the end of the body; at the very end where that is not marked."""
    place = content.lower().rfind(b"</body")
    place = len(content) if place < 0 else place
    return content[:place] + script + content[place:]


def _headers(headers: list[tuple[str, str]], length: int) -> list[tuple[str, str]]:
    """Those of the changed page, which is not to be kept: a kept one would be out of date when
    it is shown again."""
    changed = Headers(headers)
    for name in _OF_THE_CONTENT:
        changed.remove(name)
    changed["Content-Length"] = str(length)
    changed["Cache-Control"] = "no-store"
    return changed.to_wsgi_list()
