"""Assignments, and the statements that decide whether something runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from devserver.validation.outline import expressions
from devserver.validation.outline.drafts import Kind, attribute_of
from devserver.validation.outline.imports import note_type_checking
from devserver.validation.outline.walk import Context, Walk

_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_LOOKUP_ERRORS = frozenset({"AttributeError", "NameError", "Exception", "BaseException"})

# -- assignments ------------------------------------------------------------------------------


def visit_assign(walk: Walk, node: ast.Assign, context: Context) -> None:
    """`a = b = value`."""
    for target in node.targets:
        _assign(walk, target, node.value, context)
    walk.push([node.value], context)


def visit_annotated(walk: Walk, node: ast.AnnAssign, context: Context) -> None:
    """`a: int = value`; without a value nothing is bound."""
    if node.value is not None:
        _assign(walk, node.target, node.value, context)
        walk.push([node.value], context)


def visit_augmented(walk: Walk, node: ast.AugAssign, context: Context) -> None:
    """`a += value`."""
    target = node.target
    if isinstance(target, ast.Name) and target.id == "__all__":
        more = expressions.literal_texts(node.value)
        known = walk.exports is not None and more is not None
        walk.exports = (*(walk.exports or ()), *(more or ())) if known else None
        walk.module.bind("__all__")
    _assign(walk, target, None, context)
    walk.push([node.value], context)


def visit_named(walk: Walk, node: ast.NamedExpr, context: Context) -> None:
    """`(a := value)`."""
    context.scope.outermost_inner().bind(node.target.id)
    walk.push([node.value], context)


def _assign(walk: Walk, target: ast.expr, value: ast.expr | None, context: Context) -> None:
    if isinstance(target, ast.Name):
        _assign_name(walk, target, value, context)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            _assign(walk, element, None, context)
    elif isinstance(target, ast.Starred):
        _assign(walk, target.value, None, context)
    else:
        if isinstance(target, ast.Attribute) and context.method == "__init__":
            _note_initial(walk, target, value, context)
        walk.push([target], context)


def _note_initial(
    walk: Walk, target: ast.Attribute, value: ast.expr | None, context: Context
) -> None:
    own = isinstance(target.value, ast.Name) and target.value.id == context.self_name
    if own and context.owner is not None:
        attribute = attribute_of(target.attr, walk.source.span(target), value)
        context.owner.initial.append(attribute)


def _assign_name(walk: Walk, target: ast.Name, value: ast.expr | None, context: Context) -> None:
    scope = context.scope
    scope.bind(target.id)
    if scope.kind is Kind.CLASS and context.owner is not None:
        span = walk.source.span(target)
        context.owner.attributes.append(attribute_of(target.id, span, value))
    elif scope.kind is Kind.MODULE:
        if target.id == "__all__":
            if value is not None:
                walk.exports = expressions.literal_texts(value)
            return
        shape = "?" if value is None else expressions.value_shape(value)
        walk.assigned[target.id] = shape if target.id not in walk.assigned else "?"


# -- what decides -----------------------------------------------------------------------------


def visit_if(walk: Walk, node: ast.If, context: Context) -> None:
    """`if`: branches that cannot run here are left out."""
    truth = expressions.truth(node.test)
    walk.push([node.test], context)
    if truth is None:
        inside = context.inside(conditional=True, guarded=_asks(walk, node.test))
        walk.push(node.body, inside)
        walk.push(node.orelse, inside)
        return
    if not truth:
        if _mentions_type_checking(node.test):
            note_type_checking(walk, node.body, context)
        walk.push(node.orelse, context)
        return
    if node.orelse and _mentions_type_checking(node.test):
        note_type_checking(walk, node.orelse, context)
    walk.push(node.body, context)


def visit_if_expression(walk: Walk, node: ast.IfExp, context: Context) -> None:
    """`a if b else c`."""
    inside = context.inside(guarded=_asks(walk, node.test))
    walk.push([node.test], context)
    walk.push([node.body, node.orelse], inside)


def visit_all_of(walk: Walk, node: ast.BoolOp, context: Context) -> None:
    """`hasattr(a, "b") and a.b()`."""
    asks = any(_asks(walk, v) for v in node.values)
    walk.push(node.values, context.inside(guarded=asks))


def _asks(walk: Walk, test: ast.expr) -> bool:
    """True when a condition asks whether something has an attribute."""
    if not walk.asks:
        return False
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and node.id in ("hasattr", "getattr", "dir"):
            return True
    return False


def _mentions_type_checking(test: ast.expr) -> bool:
    return any(expressions.is_type_checking(n) for n in ast.walk(test) if isinstance(n, ast.expr))


def visit_type_alias(_walk: Walk, node: ast.AST, context: Context) -> None:
    """`type X = ...`; its value is evaluated when somebody asks for it."""
    name = getattr(node, "name", None)
    if isinstance(name, ast.Name):
        context.scope.bind(name.id)


def visit_conditional(walk: Walk, node: ast.AST, context: Context) -> None:
    """Loops and `match`: what is inside may not run."""
    walk.push_children(node, context.inside(conditional=True))


def visit_pattern(walk: Walk, node: ast.MatchAs | ast.MatchStar, context: Context) -> None:
    """A name that a pattern binds."""
    if node.name is not None:
        context.scope.bind(node.name)
    walk.push_children(node, context)


def visit_match_mapping(walk: Walk, node: ast.MatchMapping, context: Context) -> None:
    """`{**rest}` in a pattern."""
    if node.rest is not None:
        context.scope.bind(node.rest)
    walk.push_children(node, context)


def visit_try(walk: Walk, node: ast.Try, context: Context) -> None:
    """`try`: what its handlers catch is optional in its body, and what they do as a substitute."""
    swallowed = {n for h in node.handlers if not _raises(h) for n in _caught(h.type)}
    inside = context.inside(
        optional=bool(swallowed & _IMPORT_ERRORS), guarded=bool(swallowed & _LOOKUP_ERRORS)
    )
    walk.push(node.body, inside)
    for handler in node.handlers:
        if handler.name is not None:
            context.scope.bind(handler.name)
        walk.push([handler.type], context)
        walk.push(handler.body, inside.inside(conditional=True))
    walk.push(node.orelse, context.inside(conditional=bool(swallowed)))
    walk.push(node.finalbody, context)


def _raises(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def _caught(kind: ast.expr | None) -> Iterable[str]:
    if kind is None:
        return ("BaseException",)
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return [(expressions.dotted(k) or "Exception").rpartition(".")[2] for k in kinds]


def visit_with(walk: Walk, node: ast.With | ast.AsyncWith, context: Context) -> None:
    """`with contextlib.suppress(ImportError):` makes its body optional."""
    caught: set[str] = set()
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and expressions.base_name(call.func).endswith("suppress"):
            caught.update(name for a in call.args for name in _caught(a))
        walk.push([call], context)
        if item.optional_vars is not None:
            _assign(walk, item.optional_vars, None, context)
    inside = context.inside(
        optional=bool(caught & _IMPORT_ERRORS), guarded=bool(caught & _LOOKUP_ERRORS)
    )
    walk.push(node.body, inside)
