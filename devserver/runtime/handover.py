"""Which attributes hold a resource (a queue, a connection, a lock), and whose it is: what
cannot be copied and was made by `__init__` goes on to the next generation, unless one of the
two generations deals with it itself."""

from __future__ import annotations

import asyncio
import dis
import gc
import inspect
import types
import weakref
from collections.abc import Iterator
from typing import Any

from devserver.core.merge import GLOBAL
from devserver.runtime.capture import Capture
from devserver.runtime.capture_functions import digest_of
from devserver.runtime.capture_instances import RUNNING
from devserver.runtime.generation import Generation
from devserver.runtime.kinds import is_a, module_of
from devserver.runtime.release import is_of_plugin
from devserver.sdk.plugin import BasePlugin

_WAY_IN = ("on_load", "initialize")
_WAY_OUT = ("on_unload", "shutdown")
_CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
_NO_RESOURCE = (*RUNNING, *_CODE, asyncio.Future, weakref.ReferenceType, *weakref.ProxyTypes)


def is_resource(value: Any, capture: Capture) -> bool:
    """True for what goes by reference and does not bind the generation that made it: its code,
    its instances, a thread that runs it."""
    kind = type(value)
    if issubclass(kind, _NO_RESOURCE) or is_of_plugin(module_of(kind)):
        return False
    if module_of(kind).startswith("devserver.") or not capture.passes(value):
        return False
    parts = gc.get_referents(value)
    for part in list(parts):
        if type(part) is dict:
            parts += part.values()
    return not any(_binds_generation(part) for part in parts)


def _binds_generation(part: Any) -> bool:
    if issubclass(type(part), (type, types.FunctionType, types.MethodType)):
        return is_of_plugin(getattr(part, "__module__", None))
    return is_a(part, BasePlugin) or is_of_plugin(module_of(type(part)))


def is_ended_by(generation: Generation, place: str, value: Any) -> bool:
    """True when a generation deals with its attribute, or a global of its modules, on its way
    out (closes it, stops it)."""
    kind = type(generation.plugin)
    name = place.rpartition(GLOBAL)[2]
    if any(reads(kind, hook, place) for hook in _WAY_OUT):
        return True
    for _, undo, arguments in tuple(generation.ledger.entries()):
        code = getattr(undo, "__code__", None)
        of_plugin = is_of_plugin(getattr(undo, "__module__", None))
        named = of_plugin and isinstance(code, types.CodeType) and name in code.co_names
        if named or getattr(undo, "__self__", None) is value or any(a is value for a in arguments):
            return True
    return False


def is_made_anew(old: type, new: type, name: str) -> bool:
    """True when a new class has its own way for the attribute: a hook on the way in assigns it,
    or `__init__` makes it in another way than that of the old class. Never so for a global,
    which was declared to live on."""
    if GLOBAL in name:
        return False
    if any(_makings(new, hook, name) for hook in _WAY_IN):
        return True
    before = _makings(old, "__init__", name)
    return bool(before) and before != _makings(new, "__init__", name)


def reads(kind: type, method: str, place: str, *, by_text: bool = True) -> bool:
    """True when the code of `method`, or of methods of the class that it names, reads an
    attribute of that name of anything (or the global of that name, where `place` is one), or,
    `by_text`, has its name as text (`getattr(self, "items")`)."""
    name = place.rpartition(GLOBAL)[2]
    texts = ("LOAD_CONST",) if by_text else ()
    loads = (*_LOADS, *texts, *(("LOAD_GLOBAL",) if name != place else ()))
    return any(
        i.opname in loads and i.argval == name
        for code in _codes(kind, method)
        for i in dis.get_instructions(code)
    )


def _makings(kind: type, method: str, attribute: str) -> list[tuple[str, ...]]:
    """What `method`, or methods of the class that it names, assign to `attribute`: the
    instructions of each expression."""
    found = []
    for code in _codes(kind, method):
        expression: list[str] = []
        for instruction in dis.get_instructions(code):
            if instruction.opname == "STORE_ATTR" and instruction.argval == attribute:
                found.append(tuple(expression))
            if instruction.opname.startswith(("STORE_", "POP_TOP", "RETURN_")):
                expression = []
            elif instruction.opname not in ("RESUME", "COPY_FREE_VARS", "MAKE_CELL", "NOP"):
                expression.append(_plain(instruction))
    return found


def _plain(instruction: dis.Instruction) -> str:
    argument = instruction.argval
    if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
        argument = None
    elif isinstance(argument, types.CodeType):
        argument = digest_of(argument)
    return f"{instruction.opname} {argument!r}"


def _codes(kind: type, method: str) -> Iterator[types.CodeType]:
    """The code of a method, of functions in it, and of methods of the class that it names; each
    as all the plugin's classes above define it, too."""
    waiting, seen = [method], {method}
    while waiting:
        for function in _functions(kind, waiting.pop()):
            for code in _with_nested(function.__code__):
                yield code
                named = {str(i.argval) for i in dis.get_instructions(code) if i.opname in _LOADS}
                waiting += named - seen
                seen |= named


_LOADS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")


def _functions(kind: type, name: str) -> Iterator[types.FunctionType]:
    for owner in kind.__mro__:
        found: Any = vars(owner).get(name)
        if owner is BasePlugin:
            return
        if isinstance(found, property):
            found = found.fget
        found = inspect.unwrap(getattr(found, "__func__", found))
        if isinstance(found, types.FunctionType):
            yield found


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)
