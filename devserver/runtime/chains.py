"""A chain of references in words that a plugin's author can follow."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Mapping
from types import (
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from devserver.runtime.kinds import is_a
from devserver.runtime.modules import ModuleTable
from devserver.runtime.ownership import belongs, table_of_namespace

_LONGEST = 40  # characters of a key


def chain_text(
    root: str, path: list[Any], table: ModuleTable | None, label: str
) -> tuple[str, str]:
    """The holder's name and the whole chain, from `path[0]`, which is called `root`, to the first
    thing of the generation, which is called `label`."""
    end = next((i for i, thing in enumerate(path) if _is_part(thing, table)), len(path) - 1)
    path = path[: end + 1]
    name, at = root, 0
    while at < end and (at == 0 or is_a(path[at], dict)):
        name += _step(path, at, is_attribute=at == 0 or path[at] is _dict_of(path[at - 1]))
        at += 1
    words = [name]
    for i in range(at, end + 1):
        if _is_passage(path, i):
            continue
        step = _step(path, i, is_attribute=False) if i < end else ""
        if step == "" and i + 1 < end and path[i + 1] is _dict_of(path[i]):
            step = _step(path, i + 1, is_attribute=True)
        words.append(_words(path[i]) + (step if step.startswith(".") else ""))
    words[-1] += f" ({label})"
    return name, " -> ".join(words)


def place_in(frame: FrameType) -> str:
    """`function (file:line)`; a plugin's file as seen from the project."""
    code, table = frame.f_code, table_of_namespace(frame.f_globals)
    file = code.co_filename
    if table is not None:
        file = file.removeprefix(f"{table.source.base}/")
    return f"{code.co_qualname} ({file}:{frame.f_lineno})"


def _is_part(thing: object, table: ModuleTable | None) -> bool:
    code = (FunctionType, MethodType, functools.partial, type, ModuleType)
    return table is not None and is_a(thing, code) and belongs(thing, table)


def _is_passage(path: list[Any], i: int) -> bool:
    """What only leads from an object to what is in it."""
    thing = path[i]
    return is_a(thing, CellType) or (i > 0 and thing is _dict_of(path[i - 1]))


def _dict_of(thing: object) -> object:
    """The namespace of an object where it has one; never runs its code."""
    if is_a(thing, type) or type(thing) is dict:
        return None
    try:
        return object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None


def _step(path: list[Any], i: int, *, is_attribute: bool) -> str:
    """How `path[i]` leads to the next: `.name`, `['key']`, `[3]`, or nothing that has a name."""
    thing, child = path[i], path[i + 1]
    if is_a(thing, dict):
        found = next((k for k, v in list(thing.items()) if v is child), None)
        if found is None:
            return "" if child not in (*thing,) else " (as a key)"
        return f".{found}" if is_attribute and is_a(found, str) else f"[{_short(found)}]"
    if is_a(thing, (list, tuple, deque)):
        return next((f"[{n}]" for n, each in enumerate(list(thing)) if each is child), "")
    namespace = _dict_of(thing)
    if is_a(namespace, Mapping) and namespace is not child:
        return next((f".{n}" for n, v in list(namespace.items()) if v is child), "")
    return ""


def _short(key: object) -> str:
    if not is_a(key, (str, bytes, int, float, bool, type(None))):
        return f"{type(key).__name__} as key"
    text = repr(key)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _words(thing: Any) -> str:
    if is_a(thing, type):
        return f"class {thing.__module__}.{thing.__qualname__}"
    if is_a(thing, ModuleType):
        return f"module {thing.__name__}"
    if is_a(thing, FunctionType):
        return f"function {thing.__module__}.{thing.__qualname__}"
    if is_a(thing, MethodType):
        return f"method {thing.__func__.__module__}.{thing.__func__.__qualname__}"
    if is_a(thing, CoroutineType) or is_a(thing, GeneratorType):
        return f"{type(thing).__name__} {thing.__qualname__}"
    if type(thing) in (list, tuple, dict, set, frozenset, deque):
        return type(thing).__name__
    return f"{type(thing).__qualname__} instance"
