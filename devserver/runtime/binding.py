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

from devserver.core.errors import DevServerError
from devserver.runtime.describe import describe
from devserver.runtime.signatures import signature_of


class UnfitView(DevServerError):
    """A view has a parameter that no request can give."""


class BadParameters(Exception):
    """The request does not fit the view; `errors` is a list of {loc, msg, type}."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("the request does not fit")
        self.errors = errors


def bound(
    view: Callable[..., Any], path_parameters: frozenset[str], run: Callable[..., Any]
) -> Callable[..., Any]:
    """`view` as Flask calls it: with path parameters only. `run(view, kwargs)` calls it, also
    where it is a coroutine function. Raises UnfitView."""
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

    bound_view.__dict__.update(declared=view, body=body, queries=queries)
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


MISSING = object()
"""Stands for a default where there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a view that does not come from the path."""

    name: str
    adapter: TypeAdapter[Any]
    default: Any


def _parameters(
    view: Callable[..., Any], path_parameters: frozenset[str]
) -> tuple[Parameter | None, tuple[Parameter, ...]]:
    body: Parameter | None = None
    queries: list[Parameter] = []
    for parameter in signature_of(view).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.name in path_parameters:
            continue
        annotation = parameter.annotation
        if annotation is parameter.empty or isinstance(annotation, str):
            annotation = str
        default = MISSING if parameter.default is parameter.empty else parameter.default
        found = Parameter(parameter.name, _adapter(view, parameter.name, annotation), default)
        if not is_json_kind(annotation):
            queries.append(found)
        elif body is None:
            body = found
        else:
            raise UnfitView(
                f"the view {_name(view)} asks for two JSON bodies, "
                f"{body.name!r} and {found.name!r}",
                hint="a request has one: let it take one model that holds both",
            )
    return body, tuple(queries)


def _adapter(view: Callable[..., Any], name: str, annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except Exception as error:  # annotations are plugin code, and pydantic raises many things
        raise UnfitView(
            f"the parameter {name!r} of the view {_name(view)} has a type that no request can "
            f"give: {describe(error).splitlines()[0]}",
            hint="annotate it with a type that pydantic knows, or take it from flask.request",
        ) from error


def _name(view: Callable[..., Any]) -> str:
    return repr(getattr(view, "__name__", "view"))


def is_json_kind(annotation: Any) -> bool:
    """True for what is JSON on the wire: dicts, lists, dataclasses, pydantic models."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(is_json_kind(a) for a in typing.get_args(annotation))
    if origin is typing.Annotated:
        return is_json_kind(typing.get_args(annotation)[0])
    kind = origin or annotation
    if not isinstance(kind, type):
        return False
    return issubclass(kind, (dict, list, BaseModel)) or dataclasses.is_dataclass(kind)


def _take(
    parameter: Parameter,
    read: Callable[[Parameter], Any],
    arguments: dict[str, Any],
    errors: list[dict[str, Any]],
) -> None:
    known = len(errors)
    value = read(parameter)
    if len(errors) > known:
        return
    if value is MISSING:
        if parameter.default is MISSING:
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


def _json_body(parameter: Parameter, errors: list[dict[str, Any]]) -> Any:
    if not request.get_data(cache=True):
        return MISSING
    try:
        value = request.get_json(force=True, silent=True)
    except RecursionError:  # brackets inside of brackets, thousands of them
        value = None
    if value is None and request.get_data(cache=True).strip() != b"null":
        errors.append(
            {"loc": [parameter.name], "msg": "the body is no JSON", "type": "json_invalid"}
        )
    return value


def _query_value(parameter: Parameter) -> Any:
    return request.args.get(parameter.name, MISSING)
