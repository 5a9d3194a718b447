"""Names, attributes and calls."""

from __future__ import annotations

import ast

from devserver.validation.outline import expressions
from devserver.validation.outline.drafts import Kind
from devserver.validation.outline.host_calls import (
    note_bare_call,
    note_key,
    note_part_call,
    note_self_call,
)
from devserver.validation.outline.imports import note_dynamic
from devserver.validation.outline.walk import Context, Reference, Walk

_MUTATORS = frozenset(
    {"append", "add", "extend", "insert", "update", "setdefault", "appendleft", "extendleft"}
)
_OPENING = frozenset({"globals", "exec", "global_enum"})
_OPENING_ATTRIBUTES = frozenset({"__dict__", "_convert_", "_convert", "global_enum"})
_NAMESPACE_CALLS = frozenset({"vars", "locals"})


def visit_name(walk: Walk, node: ast.Name, context: Context) -> None:
    """A name by itself: bound, or of interest when it opens the module's namespace."""
    if isinstance(node.ctx, ast.Store):
        context.scope.bind(node.id)
    elif node.id in _OPENING:
        walk.is_open = True


def visit_attribute(walk: Walk, node: ast.Attribute, context: Context) -> None:
    """`a.b.c` read, assigned or deleted."""
    _refer(walk, node, context, call=None)


def visit_subscript(walk: Walk, node: ast.Subscript, context: Context) -> None:
    """`self.x[...] = ...` changes `x` in place; `self.config[...]` asks for a key."""
    note_key(walk, node)
    if not isinstance(node.ctx, ast.Load) and context.owner is not None:
        owned = expressions.dotted(node.value) or ""
        name, _, attribute = owned.partition(".")
        if name == context.self_name and attribute and "." not in attribute:
            context.owner.mutated.add(attribute)
    walk.push([node.value, node.slice], context)


def visit_call(walk: Walk, node: ast.Call, context: Context) -> None:
    """`f(...)`."""
    function = node.func
    if isinstance(function, ast.Name):
        _call_of_name(walk, node, function, context)
    elif isinstance(function, ast.Attribute):
        if function.attr == "import_module":
            note_dynamic(walk, node, context)
        note_part_call(walk, node, function)
        _refer(walk, function, context, call=node)
    else:
        walk.push([function], context)
    walk.push(node.args, context)
    walk.push((k.value for k in node.keywords), context)


def _call_of_name(walk: Walk, node: ast.Call, function: ast.Name, context: Context) -> None:
    name = function.id
    note_bare_call(walk, node, name)
    if name in _OPENING or (name in _NAMESPACE_CALLS and _is_namespace_call(node, context)):
        walk.is_open = True
    elif name in ("import_module", "__import__"):
        note_dynamic(walk, node, context)
    elif name == "setattr" and len(node.args) == 3 and isinstance(node.args[0], ast.Name):
        attribute = expressions.literal_text(node.args[1]) or "*"
        root = node.args[0].id
        walk.references.append(Reference(root, (attribute,), node, None, True, context))
    elif not context.guarded:
        walk.references.append(Reference(name, (), function, node, False, context))


def _is_namespace_call(node: ast.Call, context: Context) -> bool:
    """`vars()` and `locals()` at the top level, and `vars(module)`, give a module's names."""
    if not node.args:
        return context.scope.kind is Kind.MODULE
    return not (isinstance(node.args[0], ast.Name) and node.args[0].id == context.self_name)


def _refer(walk: Walk, node: ast.Attribute, context: Context, call: ast.Call | None) -> None:
    path: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        path.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        walk.push([inner], context)
        return
    path.reverse()
    stores = not isinstance(node.ctx, ast.Load)
    if inner.id == context.self_name and context.owner is not None:
        _refer_to_self(path, context, stores=stores, calls=call is not None)
        if call is not None and len(path) == 1:
            note_self_call(context.owner.calls, walk, call, path[0])
        return
    if (inner.id == "sys" and path[0] == "modules") or _OPENING_ATTRIBUTES.intersection(path):
        walk.is_open = True
    if stores or not context.guarded:
        walk.references.append(Reference(inner.id, tuple(path), node, call, stores, context))


def _refer_to_self(path: list[str], context: Context, *, stores: bool, calls: bool) -> None:
    owner = context.owner
    if owner is None:
        return
    if stores and len(path) == 1:
        owner.assigned.add(path[0])
    elif calls and len(path) == 2 and path[1] in _MUTATORS:
        owner.mutated.add(path[0])
