"""What clients send, read strictly: anything unusable is answered with 400 and what would be."""

from __future__ import annotations

from typing import Any, cast

from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from devserver.core.errors import PluginNotFound
from devserver.runtime.registry import PluginRecord
from devserver.web.errors import BadInput
from devserver.web.ports import Control

_WORDS = {"true": True, "1": True, "yes": True, "on": True, "": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def get_record(control: Control, name: str) -> PluginRecord:
    """The plugin of that name; raises PluginNotFound."""
    record = control.registry.view.find(name)
    if record is None:
        raise PluginNotFound(name)
    return record


def spelled(control: Control, name: str) -> str:
    """The plugin's name as its folder spells it; raises PluginNotFound. For whoever waits: a
    record would hold the generation that is on its way out."""
    return get_record(control, name).name


def named_plugin(control: Control) -> PluginRecord:
    """The plugin that `?plugin=` names."""
    name = request.args.get("plugin", "")
    if not name:
        raise BadInput("the parameter 'plugin' is missing", "add ?plugin=NAME to the address")
    return get_record(control, name)


def flag(name: str, *, default: bool = False) -> bool:
    """A yes-or-no query parameter, `default` when it is not there."""
    text = request.args.get(name)
    if text is None:
        return default
    if text.lower() not in _WORDS:
        raise BadInput(f"{name}={text[:40]!r} is neither true nor false", f"use {name}=true")
    return _WORDS[text.lower()]


def whole_number(name: str, *, default: int, low: int, high: int) -> int:
    """A query parameter within bounds."""
    text = request.args.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high:
        return int(text)
    raise BadInput(
        f"{name}={text[:40]!r} is not a whole number from {low} to {high}", f"use {name}={default}"
    )


def json_object(*, announced: bool = True) -> dict[str, Any]:
    """The JSON object in the body, empty for no body. With `announced` False the body need not
    say that it is JSON: only for methods that no page of another origin can send."""
    if not request.get_data(cache=True):
        return {}
    try:
        value = request.get_json(force=not announced)
    except UnsupportedMediaType:
        raise BadInput(
            "the body is not announced as JSON",
            "send the header `Content-Type: application/json`",
            status=415,
        ) from None
    except (BadRequest, RecursionError):
        raise BadInput(
            "the body is not valid JSON", 'send a JSON object such as {"count": 3}'
        ) from None
    if not isinstance(value, dict):
        raise BadInput(
            f"the body is a JSON {_kind(value)}, not an object",
            'send the arguments by name, such as {"count": 3}',
        )
    return cast("dict[str, Any]", value)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names[type(value)]
