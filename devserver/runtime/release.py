"""Loads what a Capture dumped, bound to new classes, functions and modules."""

from __future__ import annotations

import copyreg
import io
import pickle
import types
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from operator import or_
from typing import Any

from devserver.runtime.capture_functions import EMPTY, counterpart
from devserver.runtime.modules import ROOT
from devserver.runtime.shapes import Shape
from devserver.runtime.undisturbed import without_collection


class Vanished(Exception):
    """Something that a kept value refers to is not in the new code."""


def is_of_plugin(module: str | None) -> bool:
    """True for the import name of a plugin's module."""
    return isinstance(module, str) and module.startswith(ROOT + ".")


# The names that stand in the pickles; Release puts its own methods in their place.


def passed(index: int) -> Any: ...


def substituted(key: str) -> Any: ...


def named(module: str, qualname: str) -> Any: ...


def module_named(name: str) -> Any: ...


def function_like(
    place: tuple[str, str], freevars: Any, parameters: Any, digest: Any, index: int, cells: Any
) -> Any: ...


def set_function(function: Any, state: Any) -> None: ...


def set_state(instance: Any, state: Any) -> None: ...


def begun(arguments: tuple[Any, ...], scalars: Any) -> Any: ...


# What is the same whatever the new modules are.


def cell() -> types.CellType:
    """An empty one; the function that it belongs to fills it."""
    return types.CellType()


def cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    """A function behind an lru_cache that holds nothing yet."""
    return lru_cache(maxsize=maxsize, typed=typed)(function)


def member(kind: Any, names: tuple[str, ...], value: Any) -> Any:
    """A member of an enum, or flags: by name, and by value where a name is gone."""
    members = kind.__members__
    if names and all(name in members for name in names):
        return reduce(or_, (members[name] for name in names))
    return kind(value)


def record(kind: Any, values: Mapping[str, Any]) -> Any:
    """A named tuple. Raises TypeError when a new field has no default."""
    return kind(**{name: values[name] for name in kind._fields if name in values})


def raised(kind: Any, arguments: tuple[Any, ...]) -> Any:
    """An exception, as `BaseException` alone would make it."""
    return kind.__new__(kind, *arguments)


class Release(pickle.Unpickler):
    """`find_module(name)` gives the new module of an import name (raises ModuleNotFoundError);
    `substitutes` the new objects by key; `find_moved(module, name)` what has gone to another
    module (None: nothing). `unmatched` collects the ids of functions that have no
    counterpart in the new code and were handed over as they are. Raises Vanished where the new
    code lacks something else.
    """

    def __init__(
        self,
        dumped: bytes,
        *,
        passed: list[Any],
        substitutes: Mapping[str, Any],
        find_module: Callable[[str], types.ModuleType],
        find_moved: Callable[[str, str], Any] = lambda *_: None,
    ) -> None:
        super().__init__(io.BytesIO(dumped))
        self.unmatched: set[int] = set()
        self._passed = passed
        self._resolvers: dict[str, Callable[..., Any]] = {
            "passed": passed.__getitem__,
            "substituted": substitutes.__getitem__,
            "named": self._find_named,
            "module_named": find_module,
            "function_like": self._find_function,
            "set_function": self._set_function,
            "set_state": self._set_state,
            "begun": self._begin,
        }
        self._shapes: dict[type, Shape] = {}
        self._find_module = find_module
        self._find_moved = find_moved

    def load_all(self) -> Any:
        """The next value, with the states that were dumped after it put in, innermost first."""
        with without_collection():
            value = self.load()
            later = []
            while (pair := self.load()) is not None:
                later.append(pair)
            for instance, state in reversed(later):
                self._set_state(instance, state)
        return value

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name in self._resolvers:
            return self._resolvers[name]
        if is_of_plugin(module):
            return self._find_named(module, name)
        return super().find_class(module, name)

    def _begin(self, arguments: tuple[Any, ...], scalars: Mapping[str, Any]) -> Any:
        instance = copyreg.__newobj__(*arguments)  # type: ignore[attr-defined]
        self._shape_of(instance).set_some(instance, scalars)
        return instance

    def _set_state(self, instance: Any, state: Any) -> None:
        self._shape_of(instance).set_state(instance, state)

    def _shape_of(self, instance: Any) -> Shape:
        kind = type(instance)
        shape = self._shapes.get(kind)
        if shape is None:
            shape = self._shapes[kind] = Shape(kind)
        return shape

    def _find_named(self, module: str, qualname: str) -> Any:
        try:
            found: Any = self._find_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ModuleNotFoundError, AttributeError) as error:
            moved = self._find_moved(module, qualname)
            if moved is not None:
                return moved
            raise Vanished(f"{module}.{qualname} is not in the new code") from error
        return found

    def _find_function(
        self,
        place: tuple[str, str],
        freevars: tuple[str, ...],
        parameters: tuple[Any, ...] | None,
        digest: bytes,
        index: int,
        cells: tuple[types.CellType, ...],
    ) -> Any:
        original = self._passed[index]
        try:
            module = self._find_module(place[0])
        except ModuleNotFoundError:
            module = None
        code = counterpart(module, place[1], freevars, parameters, digest)
        if code is None or module is None:
            self.unmatched.add(id(original))
            return original
        return types.FunctionType(code, vars(module), None, None, cells or None)

    def _set_function(self, function: Any, state: Mapping[str, Any]) -> None:
        if id(function) in self.unmatched:
            return
        function.__defaults__ = state["defaults"]
        function.__kwdefaults__ = state["kwdefaults"]
        function.__annotations__ = state["annotations"]
        function.__dict__.update(state["attributes"])
        for name, value in state["names"].items():
            setattr(function, name, value)
        for place, content in zip(function.__closure__ or (), state["contents"], strict=True):
            if content != EMPTY:
                place.cell_contents = content[0]
