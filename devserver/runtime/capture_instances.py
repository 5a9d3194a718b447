"""What is taken of instances of a plugin's classes, and of what cannot be copied."""

from __future__ import annotations

import copyreg
import dataclasses
import datetime
import decimal
import enum
import pathlib
import queue
import sys
import threading
import types
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from devserver.runtime import release
from devserver.sdk.plugin import BasePlugin

VALUES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    pathlib.PurePath,
    uuid.UUID,
    OrderedDict,
    defaultdict,
    deque,
    complex,
    range,
    slice,
)
"""What pickle copies well."""

IMMUTABLE = (
    *(type(None), bool, int, float, complex, str, bytes, tuple, frozenset, range, slice),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal),
    *(pathlib.PurePath, uuid.UUID, enum.Enum, type, types.ModuleType, BasePlugin),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType),
)
"""What is as good as another that equals it."""

RUNNING = (threading.Thread, types.GeneratorType, types.CoroutineType, types.FrameType)
"""What executes code of the generation that made it."""

_GET_DATACLASS_STATE = getattr(dataclasses, "_dataclass_getstate", None)


def instance_reduction(value: Any, reduced: Any) -> tuple[Any, ...]:
    """The six parts of what `__reduce_ex__` gave, so that the values of fields go by name.

    Raises TypeError when it is no such thing, and whatever its iterators raise.
    """
    function, arguments, state, items, pairs, setter = (*reduced, *(None,) * 6)[:6]
    if not (callable(function) and isinstance(arguments, tuple)):
        raise TypeError("__reduce_ex__ must give a function and its arguments")
    kind = type(value)
    fields = getattr(kind, "_fields", None) if isinstance(value, tuple) else None
    if fields and function is copyreg.__newobj__ and len(arguments) == len(fields) + 1:  # type: ignore[attr-defined]
        function = release.record
        arguments = (kind, dict(zip(fields, arguments[1:], strict=True)))
    if setter is None and (state is not None or dataclasses.is_dataclass(kind)):
        setter = release.set_state
        state = _by_name(kind, state)
    # Iterators are used up here, where what they raise is this object's fault alone.
    items = None if items is None else iter(list(items))
    pairs = None if pairs is None else iter(list(pairs))
    return function, arguments, state, items, pairs, setter


def _by_name(kind: Any, state: Any) -> Any:
    if state is None:
        return {}
    if _GET_DATACLASS_STATE is None or getattr(kind, "__getstate__", None) != _GET_DATACLASS_STATE:
        return state
    names = [field.name for field in dataclasses.fields(kind)]
    return dict(zip(names, state, strict=True))


@contextmanager
def unhurried() -> Iterator[None]:
    """For the time of the block other threads get a turn only four times a second, so that a value
    which they keep changing can be read in one go."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.25)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def has_identity_hash(value: Any) -> bool:
    """True when an instance can be put into sets and be a key before it has its state."""
    hashing: Any = type(value).__hash__
    return hashing is None or hashing is object.__hash__


def parts_of(state: Any) -> list[Any]:
    """The objects right inside a pickle state: attribute values, slots, and what lists in them
    hold."""
    layers = state if isinstance(state, tuple) else (state,)
    found: list[Any] = []
    for layer in layers:
        if isinstance(layer, dict):
            for value in layer.values():
                found.extend(value if isinstance(value, (list, tuple)) else (value,))
    return found


def is_harmless(part: Any) -> bool:
    """True for a part that says nothing about whether what holds it can be copied."""
    if isinstance(part, (type, types.FunctionType, types.ModuleType, *VALUES, enum.Enum)):
        return True
    kind = type(part)
    builtin = kind.__module__ == "builtins" and not hasattr(part, "__dict__")
    return builtin or release.is_of_plugin(kind.__module__)


def visible(value: Any) -> Any:
    """What can be seen of the run-time state of something that cannot be copied."""
    if isinstance(value, queue.Queue):
        return list(value.queue)
    if isinstance(value, queue.SimpleQueue):
        return value.qsize()
    if isinstance(value, threading.Event):
        return value.is_set()
    return None
