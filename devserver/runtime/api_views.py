"""Flask's views as operations of an API document."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from devserver.runtime.api_schemas import PLACE, Schemas
from devserver.runtime.binding import MISSING, is_json_kind
from devserver.runtime.route_list import BASE_METHODS
from devserver.runtime.signatures import answer_of
from devserver.sdk.routing import first_line

if TYPE_CHECKING:
    from devserver.runtime.binding import Parameter
    from devserver.runtime.routes import PluginApp

_PART = re.compile(r"<(?:(?P<kind>[a-zA-Z_]\w*)(?:\((?P<options>[^)]*)\))?:)?(?P<name>\w+)>")
_KINDS: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}


def template_of(rule: str) -> str:
    """`/a/<int:x>` is `/a/{x}`."""
    return _PART.sub(r"{\g<name>}", rule)


def operations_of_views(
    app: PluginApp, schemas: Schemas
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Template, method, name and operation of each route, in order."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        view = app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or {"GET"}) - BASE_METHODS):
            name = rule.endpoint.partition("#")[0]
            yield template_of(rule.rule), method.lower(), name, _operation(view, rule.rule, schemas)


def permissions_of(view: Any) -> list[str]:
    """What `@requires_permission` asks for; [] without it."""
    keys = getattr(view, "__required_permissions__", ())
    return [str(key) for key in keys]


def _operation(view: Any, rule: str, schemas: Schemas) -> dict[str, Any]:
    declared = getattr(view, "declared", view)
    doc = inspect.getdoc(declared) or ""
    summary = getattr(view, "summary", "") or first_line(doc)
    text = "\n".join(doc.strip().splitlines()[1:]).strip()
    body, queries = getattr(view, "body", None), getattr(view, "queries", ())
    parameters = [_path_parameter(m) for m in _PART.finditer(rule)]
    parameters += [_query_parameter(p, schemas) for p in queries]
    operation: dict[str, Any] = {
        **({"summary": summary} if summary else {}),
        **({"description": text} if text else {}),
        **({"parameters": parameters} if parameters else {}),
        "responses": {"200": _answer(declared, schemas)},
    }
    if body is not None:
        operation["requestBody"] = _body(body, schemas)
    if body is not None or queries:
        operation["responses"]["422"] = refusal("The request does not fit", "Unfit")
    permissions = permissions_of(declared)
    if permissions:
        operation["x-required-permissions"] = permissions
    return operation


def refusal(description: str, schema: str) -> dict[str, Any]:
    """An answer that tells of a failure."""
    content = {"application/json": {"schema": {"$ref": PLACE + schema}}}
    return {"description": description, "content": content}


def _path_parameter(part: re.Match[str]) -> dict[str, Any]:
    schema = dict(_KINDS.get(part["kind"] or "", {"type": "string"}))
    if part["kind"] == "any":
        schema["enum"] = [w.strip().strip("\"'") for w in (part["options"] or "").split(",")]
    return {"name": part["name"], "in": "path", "required": True, "schema": schema}


def _query_parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.want(parameter.adapter, "validation")
    if parameter.default is not MISSING and parameter.default is not None:
        with suppress(TypeError, ValueError):  # one that JSON cannot say is not shown
            schema["default"] = json.loads(json.dumps(parameter.default))
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.default is MISSING,
        "schema": schema,
    }


def _body(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.want(parameter.adapter, "validation")
    return {
        "required": parameter.default is MISSING,
        "content": {"application/json": {"schema": schema}},
    }


def _answer(view: Any, schemas: Schemas) -> dict[str, Any]:
    annotation = answer_of(view)
    answer: dict[str, Any] = {"description": "The answer"}
    if annotation is str:
        answer["content"] = {"text/html": {"schema": {"type": "string"}}}
    elif annotation is not inspect.Signature.empty and is_json_kind(annotation):
        schema = schemas.want(TypeAdapter(annotation), "serialization")
        answer["content"] = {"application/json": {"schema": schema}}
    return answer
