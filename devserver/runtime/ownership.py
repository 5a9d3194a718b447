"""Whose code something is: which generation a function, class, frame or object belongs to."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from devserver.runtime.kinds import is_a
from devserver.runtime.modules import ROOT, GenerationLoader, ModuleTable


def table_of_namespace(namespace: object) -> ModuleTable | None:
    """The table whose module has these globals."""
    loader = namespace.get("__loader__") if type(namespace) is dict else None
    return loader.table if is_a(loader, GenerationLoader) else None


def table_of(thing: object) -> ModuleTable | None:
    """The table whose code `thing` is or runs; for an object, that of its class. None for what
    is no plugin's, and for a class without any function."""
    thing = _unwrapped(thing)
    if is_a(thing, types.FunctionType):
        return table_of_namespace(thing.__globals__)
    if is_a(thing, types.ModuleType):
        return table_of_namespace(vars(thing))
    if is_a(thing, types.FrameType):
        return table_of_namespace(thing.f_globals)
    if is_a(thing, types.CoroutineType) and thing.cr_frame is not None:
        return table_of_namespace(thing.cr_frame.f_globals)
    if is_a(thing, types.GeneratorType) and thing.gi_frame is not None:
        return table_of_namespace(thing.gi_frame.f_globals)
    return _table_of_class(thing if is_a(thing, type) else type(thing))


def belongs(thing: object, table: ModuleTable) -> bool:
    """True for what is this table's code, or an instance of one of its classes."""
    found = table_of(thing)
    if found is not None:
        return found is table
    kind = thing if is_a(thing, type) else type(thing)
    return _named_in(kind, table)


def caller_table() -> ModuleTable | None:
    """The table of the plugin code that the caller's caller works for: the innermost frame of
    a plugin. What a library does while it is being imported is its own."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        found = table_of_namespace(frame.f_globals)
        if found is not None:
            return found
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return None
        frame = frame.f_back
    return None


def direct_table(function: object) -> ModuleTable | None:
    """The table that a function belongs to, else that of the caller's caller: what a library
    registers of its own is the library's, whoever called it."""
    return table_of(function) or table_of_namespace(sys._getframe(2).f_globals)


def module_of(thing: object) -> str:
    """The import name of the module that something, or its class, is from."""
    name = getattr(_unwrapped(thing), "__module__", None)
    return name if is_a(name, str) else type(thing).__module__


def _unwrapped(thing: object) -> object:
    while True:
        if is_a(thing, functools.partial):
            thing = thing.func
        elif is_a(thing, types.MethodType) or is_a(thing, classmethod) or is_a(thing, staticmethod):
            thing = thing.__func__
        else:
            return thing


def _table_of_class(kind: type) -> ModuleTable | None:
    for base in kind.__mro__:
        if not _is_of_plugin(base):
            continue
        for function in _functions(base):
            found = table_of_namespace(function.__globals__)
            if found is not None and function.__module__ == base.__module__:
                return found
    return None


def _functions(kind: type) -> Iterator[types.FunctionType]:
    for value in list(vars(kind).values()):
        function: Any = value.fget if is_a(value, property) else _unwrapped(value)
        if is_a(function, types.FunctionType):
            yield function


def _named_in(kind: type, table: ModuleTable) -> bool:
    if not _is_of_plugin(kind):
        return False
    found: object = table.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found is kind


def _is_of_plugin(kind: type) -> bool:
    return str(kind.__module__).startswith(ROOT + ".")
