"""Values as JSON that people can read: bounded in size, secrets masked, no code of a plugin run."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import pathlib
import re
import types
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from devserver.core.secrets import MASK, is_secret_name
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.release import is_of_plugin

CUT = "… (cut)"
_KIND = "$type"
_SECRET_IN_REPR = re.compile(
    r"(?i)(\w*(?:passw|secret|token|api_?key|credential)\w*['\"]?\s*[=:]\s*)"
    r"('[^']*'|\"[^\"]*\"|[^\s,)}\]]+)"
)
_TELLING = 4
"""Characters from which on a secret is also masked as a part of a text."""
_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_STRING, _REPR, _DEPTH = 10_000, 300, 50
_PRINTED = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    pathlib.PurePath,
    uuid.UUID,
    complex,
    range,
    slice,
)
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_SCALARS = (str, int, float)
_SEQUENCES = (list, tuple, set, frozenset, deque)


class Readable:
    """Makes JSON of values until `nodes` values or `characters` of text were written; `cut` tells
    whether there was more. `secrets` are texts that never appear."""

    def __init__(
        self, secrets: Collection[str] = (), *, nodes: int = 100_000, characters: int = 4_000_000
    ) -> None:
        self.cut = False
        self._secrets = frozenset(s for s in secrets if s)
        self._found_within = [s for s in self._secrets if len(s) >= _TELLING]
        self._nodes = nodes
        self._characters = characters
        self._above: set[int] = set()

    def of(self, value: Any, name: str = "") -> Any:
        """What `json.dumps` takes. What is no JSON is an object with `$type`."""
        if is_secret_name(name) and not (value is None or type(value) is bool):
            return MASK
        self._nodes -= 1
        if self._nodes < 0 or self._characters < 0 or len(self._above) > _DEPTH:
            self.cut = True
            return CUT
        if value is None or type(value) is bool:
            return value
        if type(value) in (int, float):
            return self._number(value)
        if type(value) is str:
            return self._text(value, _STRING)
        if id(value) in self._above:
            return {_KIND: _name_of(type(value)), "value": "(circle)"}
        self._above.add(id(value))
        try:
            return self._structure(value)
        except HookInterrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - a library's repr or iterator may raise anything
            return {_KIND: _name_of(type(value)), "value": f"(unreadable: {type(error).__name__})"}
        finally:
            self._above.discard(id(value))

    def _number(self, value: Any) -> Any:
        if self._secrets and str(value) in self._secrets:
            return MASK
        if type(value) is int:
            # Longer ones Python does not print.
            return value if value.bit_length() < 4096 else {_KIND: "int", "value": hex(value)[:100]}
        return value if math.isfinite(value) else {_KIND: "float", "value": str(value)}

    def _text(self, text: str, limit: int) -> str:
        if text in self._secrets:
            return MASK
        for secret in self._found_within:
            text = text.replace(secret, MASK)
        if len(text) > limit:
            self.cut = True
            text = f"{text[:limit]}… ({len(text)} characters)"
        if "://" in text:
            text = _PASSWORD_IN_URL.sub(rf"\1{MASK}@", text)
        self._characters -= len(text) + 8
        return text

    def _structure(self, value: Any) -> Any:
        kind = type(value)
        for kinds, how in self._ways:
            if issubclass(kind, kinds) and (kinds is enum.Enum or _is_plain(kind, kinds)):
                return how(self, value)
        if is_of_plugin(kind.__module__):
            return self._instance(value)
        shown = _SECRET_IN_REPR.sub(rf"\1{MASK}", repr(value)[: 10 * _REPR])
        return {_KIND: _name_of(kind), "value": self._text(shown, _REPR)}

    def _mapping(self, value: Any) -> Any:
        pairs = _some(dict.items(value), self._nodes + 1)
        if type(value) is dict and all(type(k) is str for k, _ in pairs):
            return {self._text(k, _STRING): self.of(v, k) for k, v in pairs}
        items = [[self.of(k), self.of(v, k if type(k) is str else "")] for k, v in pairs]
        return {_KIND: _name_of(type(value)), "items": items}

    def _sequence(self, value: Any) -> Any:
        items = [self.of(item) for item in _some(value, self._nodes + 1)]
        return items if type(value) is list else {_KIND: _name_of(type(value)), "items": items}

    def _bytes(self, value: Any) -> Any:
        text = self._text(bytes(value[:_REPR]).decode("latin-1"), _REPR)
        return {_KIND: _name_of(type(value)), "length": len(value), "value": text}

    def _member(self, value: Any) -> Any:
        name = object.__getattribute__(value, "__dict__").get("_name_")
        return {_KIND: _name_of(type(value)), "value": str(name)}

    def _printed(self, value: Any) -> Any:
        return {_KIND: _name_of(type(value)), "value": self._text(str(value), _REPR)}

    def _code(self, value: Any) -> Any:
        name = f"{value.__module__}.{value.__qualname__}"
        return {_KIND: _name_of(type(value)), "value": self._text(name, _REPR)}

    def _class(self, value: type) -> Any:
        return {_KIND: "type", "value": self._text(_name_of(value), _REPR)}

    def _instance(self, value: Any) -> Any:
        """An instance of a plugin's class: its attributes and, of a container, its contents."""
        found: dict[str, Any] = {_KIND: _name_of(type(value))}
        for name, attribute in attributes_in(value):
            found[name] = self.of(attribute, name)
        base: Any = next(
            (k for k in (dict, *_SEQUENCES, *_SCALARS) if issubclass(type(value), k)), None
        )
        if base is dict:
            found["$items"] = self.of(dict(dict.items(value)))
        elif base in _SEQUENCES:
            found["$items"] = [self.of(i) for i in _some(base.__iter__(value), self._nodes + 1)]
        elif base is not None:
            found["$value"] = self.of(base.__getnewargs__(value)[0])
        return found

    _ways: tuple[tuple[Any, Callable[[Readable, Any], Any]], ...] = (
        (enum.Enum, _member),
        (dict, _mapping),
        (_SEQUENCES, _sequence),
        ((bytes, bytearray), _bytes),
        (_PRINTED, _printed),
        (_CODE, _code),
        (type, _class),
    )


def attributes_in(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of an instance, in `__dict__` and slots, past any `__getattribute__`."""
    with suppress(AttributeError):
        yield from list(object.__getattribute__(value, "__dict__").items())
    for cls in type(value).__mro__:
        for name, slot in vars(cls).items():
            if isinstance(slot, types.MemberDescriptorType):
                try:
                    yield name, slot.__get__(value, type(value))
                except AttributeError:
                    continue


def _is_plain(kind: type, kinds: Any) -> bool:
    """True when a class is not a plugin's own, which may have its own way to iterate or print."""
    return kinds is type or not is_of_plugin(kind.__module__)


def _some(items: Iterable[Any], count: int) -> list[Any]:
    """The first ones; what is changed meanwhile as far as it was read."""
    found: list[Any] = []
    try:
        found.extend(islice(items, max(count, 0)))
    except RuntimeError:
        found.append(CUT)
    return found


def _name_of(kind: type) -> str:
    module = str(kind.__module__)
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
