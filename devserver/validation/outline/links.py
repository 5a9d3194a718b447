"""Strings that may be the path of another plugin's route."""

from __future__ import annotations

import ast
import re

from devserver.validation.analysis import Link
from devserver.validation.outline.walk import Context, Walk

_PATH = re.compile(r"(?:https?://[^/\s]+)?(/[A-Za-z][\w-]*/[^\s?#]*)(?:[?#]\S*)?\Z")
HOLE = "{}"


def visit_constant(walk: Walk, node: ast.Constant, _context: Context) -> None:
    """`"/orders/list"`."""
    text = node.value
    if text.__class__ is str and text[:1] in ("/", "h"):
        _note(walk, node, text)


def visit_joined(walk: Walk, node: ast.JoinedStr, context: Context) -> None:
    """`f"/orders/{number}"`."""
    parts = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        else:
            parts.append(HOLE)
            walk.push_children(value, context)
    _note(walk, node, "".join(parts))


def _note(walk: Walk, node: ast.expr, text: str) -> None:
    found = _PATH.match(text)
    if found is not None:
        walk.links.append(Link(path=found[1], span=walk.source.span(node)))
