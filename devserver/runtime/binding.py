"""Binds a request to a view's parameters, and a view's answer to a response."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any

from flask import jsonify, make_response, request
from flask.wrappers import Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from devserver.runtime.signatures import signature_of


class BadParameters(Exception):
    """The request does not fit the view; `errors` is a list of {loc, msg, type}."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("the request does not fit")
        self.errors = errors


def bound(
    view: Callable[..., Any], path_parameters: frozenset[str], run: Callable[..., Any]
) -> Callable[..., Any]:
    """`view` as Flask calls it: with path parameters only. `run(view, kwargs)` calls it, also
    where it is a coroutine function."""
    body, queries = _parameters(view, path_parameters)

    def bound_view(**from_path: Any) -> Any:
        arguments = dict(from_path)
        errors: list[dict[str, Any]] = []
        if body is not None:
            _take(body, lambda p: _json_body(p, errors), arguments, errors)
        for parameter in queries:
            _take(parameter, _query_value, arguments, errors)
        if errors:
            raise BadParameters(errors)
        return as_response(run(view, arguments))

    return bound_view


def as_response(answer: Any) -> Any:
    """Pydantic models and dataclasses as JSON, also inside a `(answer, status)` tuple."""
    if isinstance(answer, tuple) and answer and _is_record(answer[0]):
        return make_response(jsonify(_plain(answer[0])), *answer[1:])
    return jsonify(_plain(answer)) if _is_record(answer) else answer


def _is_record(value: Any) -> bool:
    return isinstance(value, BaseModel) or (
        dataclasses.is_dataclass(value) and not isinstance(value, (type, Response))
    )


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return TypeAdapter(type(value)).dump_python(value, mode="json")


_MISSING = object()


@dataclasses.dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    adapter: TypeAdapter[Any]
    default: Any
    multiple: bool = False


def _parameters(
    view: Callable[..., Any], path_parameters: frozenset[str]
) -> tuple[_Parameter | None, tuple[_Parameter, ...]]:
    body: _Parameter | None = None
    queries: list[_Parameter] = []
    for parameter in signature_of(view).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.name in path_parameters:
            continue
        annotation = parameter.annotation
        if annotation is parameter.empty or isinstance(annotation, str):
            annotation = str
        default = _MISSING if parameter.default is parameter.empty else parameter.default
        found = _Parameter(parameter.name, TypeAdapter(annotation), default)
        if _is_body(annotation) and body is None:
            body = found
        else:
            queries.append(found)
    return body, tuple(queries)


def _is_body(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_is_body(a) for a in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _is_body(typing.get_args(annotation)[0])
    kind = origin or annotation
    if not isinstance(kind, type):
        return False
    return issubclass(kind, (dict, list, BaseModel)) or dataclasses.is_dataclass(kind)


def _take(
    parameter: _Parameter,
    read: Callable[[_Parameter], Any],
    arguments: dict[str, Any],
    errors: list[dict[str, Any]],
) -> None:
    known = len(errors)
    value = read(parameter)
    if len(errors) > known:
        return
    if value is _MISSING:
        if parameter.default is _MISSING:
            errors.append({"loc": [parameter.name], "msg": "Field required", "type": "missing"})
        else:
            arguments[parameter.name] = parameter.default
        return
    try:
        arguments[parameter.name] = parameter.adapter.validate_python(value)
    except ValidationError as error:
        errors.extend(
            {"loc": [parameter.name, *e["loc"]], "msg": e["msg"], "type": e["type"]}
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        )


def _json_body(parameter: _Parameter, errors: list[dict[str, Any]]) -> Any:
    if not request.get_data(cache=True):
        return _MISSING
    value = request.get_json(force=True, silent=True)
    if value is None and request.get_data(cache=True).strip() != b"null":
        errors.append(
            {"loc": [parameter.name], "msg": "the body is no JSON", "type": "json_invalid"}
        )
    return value


def _query_value(parameter: _Parameter) -> Any:
    return request.args.get(parameter.name, _MISSING)
