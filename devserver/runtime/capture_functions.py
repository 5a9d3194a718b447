"""Functions that no module knows by name (lambdas, functions within functions): what is taken
of one, and where its successor is in the new code."""

from __future__ import annotations

import hashlib
import importlib.abc
import inspect
import types
from collections.abc import Iterator
from typing import Any

EMPTY: tuple[Any, ...] = ()
"""Stands for the content of a closure cell that has none; a content is a tuple of one."""


def digest_of(code: types.CodeType) -> bytes:
    """Equal for code that does the same, wherever it stands."""
    digest = hashlib.sha256(code.co_code)
    for constant in code.co_consts:
        nested = isinstance(constant, types.CodeType)
        digest.update(digest_of(constant) if nested else repr(constant).encode())
    for names in (code.co_names, code.co_varnames, code.co_freevars):
        digest.update(repr(names).encode())
    return digest.digest()


def parameters_of(code: types.CodeType) -> tuple[Any, ...]:
    """The parameters that defaults belong to."""
    count = code.co_argcount + code.co_kwonlyargcount
    return (code.co_argcount, *code.co_varnames[:count])


def function_state(function: types.FunctionType) -> dict[str, Any]:
    """What makes this function differ from others of its code. `contents` are those of the
    closure's cells."""
    code = function.__code__
    renamed = function.__qualname__ != code.co_qualname or function.__name__ != code.co_name
    names = ("__name__", "__qualname__", "__module__", "__doc__") if renamed else ()
    return {
        "defaults": function.__defaults__,
        "kwdefaults": function.__kwdefaults__,
        "annotations": function.__annotations__,
        "attributes": function.__dict__,
        "names": {name: getattr(function, name) for name in names},
        "contents": [_content(cell) for cell in function.__closure__ or ()],
    }


def _content(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return EMPTY


def counterpart(
    module: types.ModuleType | None,
    qualname: str,
    freevars: tuple[str, ...],
    parameters: tuple[Any, ...] | None,
    digest: bytes,
) -> types.CodeType | None:
    """The code at the same place in a module; None when there is none, or no telling which.

    Of several at that place (two lambdas in one function) it is the one that did not change.
    `parameters` must be the same unless it is None.
    """
    code = _code_of(module)
    found = [
        c
        for c in ([] if code is None else _all_within(code))
        if c.co_qualname == qualname and c.co_freevars == freevars
    ]
    if len(found) > 1:
        found = [c for c in found if digest_of(c) == digest][:1]
    if not found or (parameters is not None and parameters_of(found[0]) != parameters):
        return None
    return found[0]


def _code_of(module: types.ModuleType | None) -> types.CodeType | None:
    loader = getattr(module, "__loader__", None)
    if module is None or not isinstance(loader, importlib.abc.InspectLoader):
        return None
    source = loader.get_source(module.__name__)
    if source is None:
        return None
    return compile(source, module.__file__ or "<unknown>", "exec", dont_inherit=True)


def _all_within(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _all_within(constant)


def attribute_of(owner: type, function: Any) -> str | None:
    """The name by which instances of a class know a function of theirs, however it is named."""
    name = getattr(function, "__name__", "")
    for candidate in (name, *(f"_{c.__name__.lstrip('_')}{name}" for c in owner.__mro__)):
        if inspect.getattr_static(owner, candidate, None) is function:
            return candidate
    return None


def lookup(module: types.ModuleType | None, qualname: str) -> Any:
    """What a module knows under a dotted name, or None."""
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def is_earlier(value: Any, found: Any) -> bool:
    """True when `value` is what `found` was in an earlier generation of the module."""
    if "<locals>" in value.__qualname__ or getattr(found, "__module__", None) != value.__module__:
        return False
    if isinstance(value, type):
        return isinstance(found, type) and found.__qualname__ == value.__qualname__
    if not isinstance(value, types.FunctionType) or found is None:
        return False
    known: Any = value.__globals__
    first, *rest = value.__qualname__.split(".")
    known = known.get(first)
    for part in rest:
        known = getattr(known, part, None)
    return known is value
