"""What a command takes, and arguments that come as text or JSON made to fit it.

All of it runs plugin code: annotations are evaluated, defaults and models are the plugin's.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from decimal import Decimal
from inspect import Parameter, Signature
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_jsonable_python

from devserver.core.errors import DevServerError
from devserver.runtime.readable import Readable
from devserver.runtime.signatures import signature_of

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "text"}
_UNIONS = (typing.Union, types.UnionType)
_NOTHING = type(None)
_KINDS = {
    Parameter.POSITIONAL_ONLY: "positional",
    Parameter.POSITIONAL_OR_KEYWORD: "positional",
    Parameter.VAR_POSITIONAL: "rest",
    Parameter.KEYWORD_ONLY: "keyword",
    Parameter.VAR_KEYWORD: "more",
}


class BadArguments(DevServerError):
    """The arguments do not fit the command's signature; `errors` is a list of {loc, msg, type}."""

    def __init__(self, command: str, errors: list[dict[str, Any]], *, hint: str) -> None:
        told = "; ".join(
            e["msg"] if e["type"] in ("missing", "unexpected") else f"{e['loc'][0]}: {e['msg']}"
            for e in errors
        )
        super().__init__(f"command {command!r}: {told}", hint=hint)
        self.errors = errors


def described(function: Callable[..., Any]) -> dict[str, Any]:
    """`{help, parameters: [{name, type, required, default, choices, multiple, kind, help}]}`.

    `type` is integer, number, boolean, text (also for dates, paths and the like), json, or any
    where nothing is said or text is one of several; `kind` is positional (which may be given by
    name too), keyword, rest (`*args`) or more (`**kwargs`).
    """
    return {
        "help": str(inspect.getdoc(function) or ""),
        "parameters": [_parameter(p) for p in signature_of(function).parameters.values()],
    }


def fitted(command: str, function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """The arguments as `inspect.BoundArguments`, each turned into what it is annotated with.

    Raises BadArguments.
    """
    signature = signature_of(function)
    errors: list[dict[str, Any]] = []
    left = dict(given)
    bound: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            bound[parameter.name] = {
                n: _converted(n, parameter, v, errors) for n, v in left.items()
            }
            left = {}
        elif parameter.name in left:
            value = left.pop(parameter.name)
            if parameter.kind is Parameter.VAR_POSITIONAL:
                items = value if isinstance(value, list) else [value]
                bound[parameter.name] = tuple(
                    _converted(parameter.name, parameter, item, errors) for item in items
                )
            else:
                bound[parameter.name] = _converted(parameter.name, parameter, value, errors)
        elif parameter.default is Parameter.empty and parameter.kind is not (
            Parameter.VAR_POSITIONAL
        ):
            told = f"missing a required argument: {parameter.name!r}"
            errors.append({"loc": [parameter.name], "msg": told, "type": "missing"})
    errors += [_unexpected(name, signature) for name in left]
    if errors:
        raise BadArguments(command, errors, hint=f"its arguments: {signature}")
    arguments = inspect.BoundArguments(signature, bound)
    arguments.apply_defaults()
    return arguments


def _unexpected(name: str, signature: Signature) -> dict[str, Any]:
    near = difflib.get_close_matches(name, signature.parameters, 1)
    told = f"got an unexpected argument {name!r}" + (f", not {near[0]!r}" if near else "")
    return {"loc": [name], "msg": told, "type": "unexpected"}


def _converted(name: str, parameter: Parameter, value: Any, errors: list[dict[str, Any]]) -> Any:
    annotation = _annotation(parameter)
    if annotation is Parameter.empty:
        return value
    if isinstance(value, str) and _is_many(annotation):
        value = [value]
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        errors.extend(
            {"loc": [name, *e["loc"]], "msg": e["msg"], "type": e["type"]}
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        )
        return None


def _annotation(parameter: Parameter) -> Any:
    """What a value must be: as annotated, else as the default is, where that is plain."""
    annotation = parameter.annotation
    if annotation is Parameter.empty and type(parameter.default) in _TYPES:
        return type(parameter.default)
    return Parameter.empty if isinstance(annotation, str) else annotation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    annotation, help_text = _told(_annotation(parameter))
    many = _is_many(annotation)
    item = _item(annotation) if many else annotation
    is_open = parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    has_default = parameter.default is not Parameter.empty
    return {
        "name": parameter.name,
        "type": _type(item),
        "required": not (has_default or is_open),
        "default": _default(parameter) if has_default else None,
        "choices": _choices(item),
        "multiple": many or parameter.kind is Parameter.VAR_POSITIONAL,
        "kind": _KINDS[parameter.kind],
        "help": help_text,
    }


def _default(parameter: Parameter) -> Any:
    """As it would be given: an enum's member by its value, a path as text."""
    value = parameter.default
    with suppress(ValueError):
        value = to_jsonable_python(value)
    return Readable().of(value, parameter.name)


def _told(annotation: Any) -> tuple[Any, str]:
    """An annotation without `Annotated` and `| None`, and the text that was put to it."""
    text = ""
    while True:
        origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            text = text or next((a for a in inner[1:] if isinstance(a, str)), "")
            annotation = inner[0]
        elif origin in _UNIONS and len([a for a in inner if a is not _NOTHING]) == 1:
            annotation = next(a for a in inner if a is not _NOTHING)
        else:
            return annotation, text


def _is_many(annotation: Any) -> bool:
    """True for any number of one kind."""
    annotation = _told(annotation)[0]
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type) or issubclass(kind, (str, bytes)):
        return False
    if kind is tuple and typing.get_args(annotation)[1:] not in ((), (...,)):
        return False
    return issubclass(kind, (Sequence, Set))


def _item(annotation: Any) -> Any:
    inner = typing.get_args(annotation)
    return _told(inner[0])[0] if inner else Parameter.empty


def _type(annotation: Any) -> str:
    if annotation in (Parameter.empty, Any):
        return "any"
    choices = _choices(annotation)
    kind = type(choices[0]) if choices else annotation
    if isinstance(kind, type) and kind in _TYPES:
        return _TYPES[kind]
    return "text" if kind is Decimal else _type_by_schema(kind)


def _type_by_schema(annotation: Any) -> str:
    """What is text in JSON is so on a command line."""
    try:
        schema = TypeAdapter(annotation).json_schema()
    except PydanticUserError:
        return "json"
    if any(part.get("type") == "string" for part in schema.get("anyOf", ())):
        return "any"
    return "text" if schema.get("type") == "string" and "enum" not in schema else "json"


def _choices(annotation: Any) -> list[Any]:
    values: list[Any] = []
    if typing.get_origin(annotation) is typing.Literal:
        values = list(typing.get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        values = [member.value for member in annotation]
    return values if all(type(value) in _TYPES for value in values) else []
