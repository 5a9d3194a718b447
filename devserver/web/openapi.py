"""`/openapi.json`, what the live generations answer, and `/docs`, where it is read and tried."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, json, request

from devserver import __version__
from devserver.runtime.registry import PluginRecord, SystemView
from devserver.web.dashboard import own_page
from devserver.web.ports import Control
from devserver.web.shapes import description_of, records

_TEXT = {"type": "string"}
_SHARED = {
    "Error": {
        "type": "object",
        "properties": {"error": _TEXT, "hint": {"type": ["string", "null"]}},
        "required": ["error"],
    },
    "Unfit": {
        "type": "object",
        "properties": {
            "error": _TEXT,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                        "msg": _TEXT,
                        "type": _TEXT,
                    },
                },
            },
        },
        "required": ["error", "errors"],
    },
}


class ApiBrowser:
    """The views of /openapi.json and /docs."""

    def __init__(self, *, control: Control) -> None:
        self._control = control
        self._last: tuple[int, bytes, str] = (-1, b"", "")

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("openapi", __name__)
        blueprint.get("/openapi.json")(self.document)
        blueprint.get("/docs", strict_slashes=False)(self.page)
        return blueprint

    def document(self) -> Response:
        """The document as of now; 304 when `If-None-Match` has its ETag."""
        view = self._control.registry.view
        number, body, tag = self._last
        if number != view.number:
            text = json.dumps(self._built(view), sort_keys=False, ensure_ascii=False)
            body = text.encode("utf-8", "replace")
            tag = hashlib.sha256(body).hexdigest()[:32]
            self._last = (view.number, body, tag)
        response = Response(body, mimetype="application/json")
        response.set_etag(tag)
        response.headers["Cache-Control"] = "no-cache"
        response.make_conditional(request)
        return response

    def page(self) -> Response:
        """The API browser."""
        return own_page("docs.html", project=self._control.title)

    def _built(self, view: SystemView) -> dict[str, Any]:
        tags: list[dict[str, Any]] = []
        paths: dict[str, Any] = {}
        schemas: dict[str, Any] = dict(_SHARED)
        security: dict[str, Any] = {}
        for record in records(view):
            if record.answering is None:
                continue
            part = self._control.api_part(record.answering)
            tags.append(_tag(record, part.problems))
            paths |= part.paths
            schemas |= part.schemas
            security |= part.security
        return {
            "openapi": "3.1.0",
            "info": {"title": self._control.title, "version": __version__},
            "servers": [{"url": "/"}],
            "tags": tags,
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": security},
        }


def _tag(record: PluginRecord, problems: tuple[str, ...]) -> dict[str, Any]:
    generation = record.answering
    return {
        "name": record.name,
        "description": description_of(record),
        "x-version": record.version,
        "x-generation": record.generation_number if generation is None else generation.number,
        **({"x-problems": list(problems)} if problems else {}),
    }
