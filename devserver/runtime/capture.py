"""Copies of run-time values that bind to new classes, functions and modules.

Values are pickled in memory (never read from disk). What belongs to a plugin is replaced by a
name on the way out and looked up in the new modules on the way in; what cannot be copied passes
by reference.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import io
import pathlib
import pickle
import threading
import types
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from devserver.runtime.modules import ROOT
from devserver.sdk.plugin import BasePlugin

_VALUES = (
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
_PASSED = (threading.Thread, types.GeneratorType, types.CoroutineType, types.FrameType)


class Vanished(Exception):
    """Something that a kept value refers to is not in the new code."""


def is_of_plugin(module: str | None) -> bool:
    """True for the import name of a plugin's module."""
    return module is not None and module.startswith(ROOT + ".")


class Capture:
    """Pickles values; `passed` collects what goes by reference.

    `plugins` are the keys of those that are being replaced (None for all); objects of other
    plugins' classes pass by reference. `find_module` gives the modules that the values come
    from. `substitutes` maps objects of the old generations (their plugin, context)
    to the keys by which Release finds the new ones. With `structural` the result is a
    fingerprint: equal values give equal bytes, whatever objects they share.
    """

    def __init__(
        self,
        substitutes: Mapping[int, str],
        *,
        plugins: Collection[str] | None,
        find_module: Callable[[str], types.ModuleType | None],
        structural: bool = False,
    ) -> None:
        self.passed: list[Any] = []
        self._passed_ids: dict[int, int] = {}
        self._substitutes = substitutes
        self._packages = (ROOT,) if plugins is None else tuple(f"{ROOT}.{k}" for k in plugins)
        self._find_module = find_module
        self._structural = structural
        self._foreign: dict[int, bool] = {}

    def dump(self, value: Any) -> bytes:
        """The pickled form of `value`.

        Raises whatever a plugin's `__reduce__` raises, RecursionError for very deep values.
        """
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self)
        pickler.fast = self._structural
        pickler.dump(value)
        return buffer.getvalue()

    def reduction(self, value: Any) -> Any:
        """What `reducer_override` answers for an object that pickle has no own way for."""
        substitute = self._substitutes.get(id(value))
        if substitute is not None:
            return _substituted, (substitute,)
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return self._named(value)
        if isinstance(value, types.ModuleType):
            if self._is_replaced(value.__name__):
                return _module, (value.__name__,)
            return self.by_reference(value)
        if isinstance(value, (*_VALUES, enum.Enum)):
            return NotImplemented
        if isinstance(value, (*_PASSED, BasePlugin)):
            return self.by_reference(value)
        module = type(value).__module__
        if self._is_replaced(module):
            return self._own_instance(value)
        if is_of_plugin(module) or self._is_uncopyable(value):
            return self.by_reference(value)
        return NotImplemented

    def is_passed(self, value: Any) -> bool:
        """True when this very object went by reference."""
        return id(value) in self._passed_ids

    def _is_replaced(self, module: str | None) -> bool:
        """True for a module of a plugin that is being replaced."""
        return module is not None and any(
            module == package or module.startswith(package + ".") for package in self._packages
        )

    def by_reference(self, value: Any) -> Any:
        """Hands the object itself over."""
        index = self._passed_ids.get(id(value))
        if index is None:
            index = self._passed_ids[id(value)] = len(self.passed)
            self.passed.append(value)
        return _passed, (id(value) if self._structural else index,)

    def _named(self, value: Any) -> Any:
        """A class or function: by its name, where its module knows it under that name."""
        module = getattr(value, "__module__", None)
        if value is self._lookup(module, value.__qualname__):
            name = (_named, (module, value.__qualname__))
            return name if self._is_replaced(module) else NotImplemented
        return self.by_reference(value)  # a lambda, a closure, a function behind its decorator

    def _lookup(self, module: str | None, qualname: str) -> Any:
        found: Any = self._find_module(module or "")
        for part in qualname.split("."):
            found = getattr(found, part, None)
        return found

    def _own_instance(self, value: Any) -> Any:
        try:
            reduced = value.__reduce_ex__(5)
        except (TypeError, pickle.PicklingError):
            return self.by_reference(value)
        return reduced

    def _is_uncopyable(self, value: Any) -> bool:
        """True when an object of somebody else's class cannot be copied, because it, or
        something right inside of it, is a lock, a socket, a thread or the like."""
        known = self._foreign.get(id(value))
        if known is not None:
            return known
        self._foreign[id(value)] = False  # a cycle back to here decides nothing
        result = self._holds_uncopyable(value)
        self._foreign[id(value)] = result
        return result

    def _holds_uncopyable(self, value: Any) -> bool:
        try:
            reduced = value.__reduce_ex__(5)
        except (TypeError, pickle.PicklingError, AttributeError):
            return True
        except Exception:  # noqa: BLE001 - a library's __reduce__ may raise anything
            return True
        state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None
        return any(self._part_is_uncopyable(part) for part in _parts(state))

    def _part_is_uncopyable(self, part: Any) -> bool:
        if isinstance(part, _PASSED):
            return True
        if isinstance(part, (type, types.FunctionType, types.ModuleType, *_VALUES, enum.Enum)):
            return False
        if type(part).__module__ == "builtins" and not hasattr(part, "__dict__"):
            return False
        if is_of_plugin(type(part).__module__):
            return False
        return self._is_uncopyable(part)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, capture: Capture) -> None:
        super().__init__(buffer, protocol=5)
        self._capture = capture

    def reducer_override(self, obj: Any) -> Any:
        return self._capture.reduction(obj)


def _parts(state: Any) -> list[Any]:
    """The objects right inside a pickle state: attribute values, slots, and what lists in them
    hold."""
    layers = state if isinstance(state, tuple) else (state,)
    found: list[Any] = []
    for layer in layers:
        if isinstance(layer, dict):
            for value in layer.values():
                found.extend(value if isinstance(value, (list, tuple)) else (value,))
    return found


def fingerprint(
    value: Any,
    substitutes: Mapping[int, str],
    find_module: Callable[[str], types.ModuleType | None],
) -> bytes:
    """Equal for equal values; for what cannot be copied, equal for the same object."""
    for structural in (True, False):
        try:
            capture = Capture(
                substitutes, plugins=None, find_module=find_module, structural=structural
            )
            dumped = capture.dump(value)
        except Exception:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            continue
        return hashlib.sha256(dumped).digest()
    return f"object {id(value)}".encode()


# The names that stand in the pickles; Release puts its own functions in their place.


def _passed(index: int) -> Any: ...


def _substituted(key: str) -> Any: ...


def _named(module: str, qualname: str) -> Any: ...


def _module(name: str) -> Any: ...


class Release(pickle.Unpickler):
    """Loads what a Capture dumped, bound to new modules.

    `find_module(name)` gives the new module of an import name (raises ModuleNotFoundError);
    `substitutes` the new objects by key. Raises Vanished where the new code lacks something.
    """

    def __init__(
        self,
        dumped: bytes,
        *,
        passed: list[Any],
        substitutes: Mapping[str, Any],
        find_module: Callable[[str], types.ModuleType],
    ) -> None:
        super().__init__(io.BytesIO(dumped))
        self._resolvers: dict[str, Callable[..., Any]] = {
            "_passed": passed.__getitem__,
            "_substituted": substitutes.__getitem__,
            "_named": self._find_named,
            "_module": find_module,
        }
        self._find_module = find_module

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name in self._resolvers:
            return self._resolvers[name]
        if is_of_plugin(module):
            return self._find_named(module, name)
        return super().find_class(module, name)

    def _find_named(self, module: str, qualname: str) -> Any:
        try:
            found: Any = self._find_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ModuleNotFoundError, AttributeError) as error:
            raise Vanished(f"{module}.{qualname} is not in the new code") from error
        return found
