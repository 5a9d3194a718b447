"""Functions, classes and what opens a scope within them."""

from __future__ import annotations

import ast
from dataclasses import replace

from devserver.validation.outline import expressions
from devserver.validation.outline.drafts import (
    ClassDraft,
    FunctionDraft,
    FunctionNode,
    Kind,
    Scope,
    name_span,
    parameter_names,
    signature_of,
)
from devserver.validation.outline.routes import METHODS, route_of
from devserver.validation.outline.walk import Context, Walk

_TRANSPARENT = frozenset({"route", "requires_permission"})
FACTORIES = frozenset({"get_plugin", "create_plugin"})


def visit_function(walk: Walk, node: FunctionNode, context: Context) -> None:
    """`def` and `async def`."""
    outer = context.scope
    outer.bind(node.name)
    scope = Scope(Kind.FUNCTION, outer, f"{outer.qualname}.{node.name}".lstrip("."))
    names = parameter_names(node.args)
    for name in names:
        scope.bind(name)
    inside = Context(
        scope, lazy=True, owner=context.owner, self_name=context.self_name, method=context.method
    )
    if outer.kind is Kind.MODULE:
        walk.functions.append(_draft(walk, node, scope))
    elif outer.kind is Kind.CLASS and context.owner is not None:
        context.owner.methods.append(_draft(walk, node, scope))
        inside = replace(inside, self_name=names[0] if names else None, method=node.name)
    _note_routes(walk, node, context)
    walk.push(node.decorator_list, context)
    walk.push(node.args.defaults, context)
    walk.push(node.args.kw_defaults, context)
    walk.push(node.body, inside)


def _draft(walk: Walk, node: FunctionNode, scope: Scope) -> FunctionDraft:
    factory = scope.qualname in FACTORIES
    span = name_span(node, walk.source)
    return FunctionDraft(node=node, span=span, scope=scope, is_factory=factory)


def _note_routes(walk: Walk, node: FunctionNode, context: Context) -> None:
    if context.conditional or context.optional:
        return
    for decorator in node.decorator_list:
        route = route_of(decorator, context.scope.qualname, walk.source)
        if route is not None:
            view = signature_of(node.args) if _keeps_parameters(node) else None
            walk.routes.append((replace(route, view=view), context.scope))


def _keeps_parameters(node: FunctionNode) -> bool:
    """True when what the router gets takes what the function does."""
    names = (expressions.dotted_or_unknown(d).rpartition(".")[2] for d in node.decorator_list)
    return all(name in METHODS or name in _TRANSPARENT for name in names)


def visit_class(walk: Walk, node: ast.ClassDef, context: Context) -> None:
    """`class`; those at the top level of the module are kept."""
    context.scope.bind(node.name)
    owner = None
    if context.scope.kind is Kind.MODULE:
        owner = ClassDraft(node=node, span=name_span(node, walk.source))
        walk.classes.append(owner)
    walk.push(node.decorator_list, context)
    walk.push(node.bases, context)
    walk.push((k.value for k in node.keywords), context)
    qualname = f"{context.scope.qualname}.{node.name}".lstrip(".")
    scope = Scope(Kind.CLASS, context.scope, qualname)
    walk.push(node.body, replace(context, scope=scope, owner=owner, self_name=None))


def visit_lambda(walk: Walk, node: ast.Lambda, context: Context) -> None:
    """`lambda`."""
    scope = Scope(Kind.INNER, context.scope, context.scope.qualname)
    for name in parameter_names(node.args):
        scope.bind(name)
    walk.push(node.args.defaults, context)
    walk.push(node.args.kw_defaults, context)
    walk.push([node.body], context.inside(scope, lazy=True))


def visit_comprehension(walk: Walk, node: ast.expr, context: Context) -> None:
    """Comprehensions and generator expressions."""
    scope = Scope(Kind.INNER, context.scope, context.scope.qualname)
    walk.push_children(node, context.inside(scope))


def visit_yield(walk: Walk, node: ast.expr, context: Context) -> None:
    """`yield` makes its function a generator."""
    context.scope.outermost_inner().is_generator = True
    walk.push_children(node, context)


def visit_return(walk: Walk, node: ast.Return, context: Context) -> None:
    """`return`, of interest in the factories alone."""
    if context.scope.qualname in FACTORIES:
        shape = "?" if node.value is None else expressions.value_shape(node.value)
        context.scope.returns.append(shape)
    walk.push_children(node, context)


def visit_global(walk: Walk, node: ast.Global, context: Context) -> None:
    """`global x`: what the function assigns is the module's."""
    for name in node.names:
        walk.module.bind(name)
        context.scope.bind(name)
