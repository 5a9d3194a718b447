"""What is taken of instances of a plugin's classes, and of what cannot be copied."""

from __future__ import annotations

import copyreg
import dataclasses
import datetime
import decimal
import enum
import pathlib
import queue
import threading
import types
import uuid
from collections import OrderedDict, defaultdict, deque
from typing import Any

from devserver.runtime import release
from devserver.runtime.kinds import is_a
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

_SCALARS = frozenset(
    (
        *(type(None), bool, int, float, complex, str, bytes, uuid.UUID, decimal.Decimal),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
    )
)

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
    fields = getattr(kind, "_fields", None) if issubclass(kind, tuple) else None
    if fields and function is copyreg.__newobj__ and len(arguments) == len(fields) + 1:  # type: ignore[attr-defined]
        function = release.record
        arguments = (kind, dict(zip(fields, arguments[1:], strict=True)))
    if issubclass(kind, BaseException) and function is kind:
        # Its own `__init__` may ask for other arguments than it passed on.
        function, arguments = release.raised, (kind, value.args)
    if setter is None and (state is not None or dataclasses.is_dataclass(kind)):
        setter = release.set_state
        state = _by_name(kind, state)
    if setter is release.set_state and function is copyreg.__newobj__ and hashes_its_state(kind):  # type: ignore[attr-defined]
        function, arguments = release.begun, (arguments, _scalars_in(state))
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


def hashes_its_state(kind: Any) -> bool:
    """True when an instance cannot be put into sets or be a key before it has its state."""
    return kind.__hash__ is not None and kind.__hash__ is not object.__hash__


def _scalars_in(state: Any) -> dict[str, Any]:
    """What of a state can be put in at once, as it leads nowhere: a circle that comes back to the
    instance as a key finds it with what its hash is most likely made of."""
    layers = state if isinstance(state, tuple) else (state,)
    return {
        name: value
        for layer in layers
        if type(layer) is dict
        for name, value in layer.items()
        if _is_scalar(value)
    }


def _is_scalar(value: Any) -> bool:
    if type(value) is tuple:
        return all(type(part) in _SCALARS for part in value)
    return type(value) in _SCALARS or is_a(value, enum.Enum)


def visible(value: Any) -> Any:
    """What can be seen of the run-time state of something that cannot be copied."""
    kind = type(value)  # an object may say anything of its class
    if issubclass(kind, queue.Queue):
        return list(value.queue)
    if issubclass(kind, queue.SimpleQueue):
        return value.qsize()
    if issubclass(kind, threading.Event):
        return value.is_set()
    return None
