"""Small judgements on single expressions of a syntax tree."""

from __future__ import annotations

import ast
import operator
import os
import sys
from collections.abc import Iterable
from typing import Any

_MAKES_MUTABLE = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
)
_MOST_ITEMS = 200
_LONGEST_TEXT = 2_000
_MUTABLE_NODES = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_COMPARE: dict[type, Any] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_KNOWN: dict[str, Any] = {
    "sys.version_info": tuple(sys.version_info),
    "sys.platform": sys.platform,
    "os.name": os.name,
    "sys.implementation.name": sys.implementation.name,
}


def dotted(node: ast.AST) -> str | None:
    """`a.b.c` as text, None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    parts.reverse()
    return ".".join(parts)


def dotted_or_unknown(node: ast.AST) -> str:
    """`a.b` as text, also of `a.b(...)` and `a.b[...]`; "?" for anything else."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return dotted(node) or "?"


def base_name(node: ast.AST) -> str:
    """A base class as text: `Generic[T]` is `Generic`; "?" for what is computed."""
    if isinstance(node, ast.Subscript):
        node = node.value
    return dotted(node) or "?"


def value_shape(node: ast.AST) -> str:
    """`X` for a name, `X()` for the call of one, else "?"."""
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        return f"{name}()" if name else "?"
    return dotted(node) or "?"


def deprecation(decorators: Iterable[ast.expr]) -> str | None:
    """What `@deprecated("...")` says, "" where that is computed; None without the decorator."""
    for decorator in decorators:
        if isinstance(decorator, ast.Call):
            name = dotted(decorator.func) or ""
            if name.rpartition(".")[2] == "deprecated":
                return (literal_text(decorator.args[0]) if decorator.args else None) or ""
    return None


class NotLiteral(Exception):
    """An expression whose value only running the code would tell, or that is large data."""


def literal(node: ast.AST) -> Any:
    """The value of a literal that JSON can hold; tuples become lists.

    Raises NotLiteral.
    """
    if isinstance(node, ast.Constant):
        value = node.value
        if value is None or isinstance(value, (int, float)) or _is_short_text(value):
            return value
    elif isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) <= _MOST_ITEMS:
        return [literal(e) for e in node.elts]
    elif isinstance(node, ast.Dict) and len(node.keys) <= _MOST_ITEMS:
        pairs = [(_text(k), literal(v)) for k, v in zip(node.keys, node.values, strict=True)]
        return dict(pairs)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        if isinstance(value, (int, float)):
            return -value
    raise NotLiteral


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _text(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise NotLiteral


def literal_text(node: ast.AST | None) -> str | None:
    """The value of a string literal, else None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def literal_texts(node: ast.AST | None) -> tuple[str, ...] | None:
    """The values of a list, tuple or set of string literals, else None."""
    if not isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return None
    found = [literal_text(e) for e in node.elts]
    return None if None in found else tuple(t for t in found if t is not None)


def is_mutable(node: ast.AST) -> bool:
    """True for what makes a list, dict, set or the like."""
    if isinstance(node, ast.Call):
        return (dotted(node.func) or "").rpartition(".")[2] in _MAKES_MUTABLE
    return isinstance(node, _MUTABLE_NODES)


def truth(test: ast.expr) -> bool | None:
    """What a condition is in this interpreter at run time; None where that depends."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, (ast.Name, ast.Attribute)):
        return False if is_type_checking(test) else None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = truth(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        return _combined(test.op, [truth(v) for v in test.values])
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compared(test.left, test.ops[0], test.comparators[0])
    if isinstance(test, ast.Call):
        return _starts_with(test)
    return None


def is_type_checking(test: ast.expr) -> bool:
    """True for `TYPE_CHECKING` and `typing.TYPE_CHECKING`."""
    return (dotted(test) or "").rpartition(".")[2] == "TYPE_CHECKING"


def _combined(op: ast.boolop, parts: Iterable[bool | None]) -> bool | None:
    known = list(parts)
    decisive = isinstance(op, ast.Or)
    if decisive in known:
        return decisive
    return None if None in known else not decisive


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool | None:
    compare = _COMPARE.get(type(op))
    if compare is None:
        return None
    try:
        return bool(compare(_operand(left), _operand(right)))
    except (NotLiteral, TypeError, IndexError):
        return None


def _operand(node: ast.expr) -> Any:
    name = dotted(node)
    if name in _KNOWN:
        return _KNOWN[name]
    if isinstance(node, ast.Subscript):
        return _version_part(node)
    value = literal(node)
    return tuple(value) if isinstance(value, list) else value


def _version_part(node: ast.Subscript) -> Any:
    if dotted(node.value) != "sys.version_info":
        raise NotLiteral
    if isinstance(node.slice, ast.Slice):
        if node.slice.lower is not None or node.slice.step is not None or node.slice.upper is None:
            raise NotLiteral
        return tuple(sys.version_info)[: literal(node.slice.upper)]
    return tuple(sys.version_info)[literal(node.slice)]


def _starts_with(call: ast.Call) -> bool | None:
    if dotted(call.func) == "sys.platform.startswith" and len(call.args) == 1:
        start = literal_text(call.args[0])
        return None if start is None else sys.platform.startswith(start)
    return None
