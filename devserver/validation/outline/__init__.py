"""Reads a module's bytes into a `ModuleAnalysis`, in one pass and without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from devserver.validation.analysis import ModuleAnalysis, Use
from devserver.validation.outline import (
    definitions,
    features,
    host_calls,
    imports,
    links,
    references,
    statements,
)
from devserver.validation.outline.decoding import Parsed, SourceText, decode, parse
from devserver.validation.outline.drafts import call_of
from devserver.validation.outline.problems import SyntaxProblem, Unparsable
from devserver.validation.outline.walk import Handler, Walk

__all__ = [
    "Parsed",
    "SourceText",
    "SyntaxProblem",
    "Unparsable",
    "analyse_module",
    "decode",
    "outline",
    "parse",
]

_HANDLERS: dict[type, Handler] = {
    ast.Import: imports.visit_import,
    ast.ImportFrom: imports.visit_import_from,
    ast.FunctionDef: definitions.visit_function,
    ast.AsyncFunctionDef: definitions.visit_function,
    ast.ClassDef: definitions.visit_class,
    ast.Lambda: definitions.visit_lambda,
    ast.ListComp: definitions.visit_comprehension,
    ast.SetComp: definitions.visit_comprehension,
    ast.DictComp: definitions.visit_comprehension,
    ast.GeneratorExp: definitions.visit_comprehension,
    ast.Yield: definitions.visit_yield,
    ast.YieldFrom: definitions.visit_yield,
    ast.Return: definitions.visit_return,
    ast.Global: definitions.visit_global,
    ast.Assign: statements.visit_assign,
    ast.AnnAssign: statements.visit_annotated,
    ast.AugAssign: statements.visit_augmented,
    ast.NamedExpr: statements.visit_named,
    ast.If: statements.visit_if,
    ast.IfExp: statements.visit_if_expression,
    ast.BoolOp: statements.visit_all_of,
    ast.For: statements.visit_conditional,
    ast.AsyncFor: statements.visit_conditional,
    ast.While: statements.visit_conditional,
    ast.Match: statements.visit_conditional,
    ast.MatchAs: statements.visit_pattern,
    ast.MatchStar: statements.visit_pattern,
    ast.MatchMapping: statements.visit_match_mapping,
    ast.Try: statements.visit_try,
    ast.TryStar: statements.visit_try,
    ast.With: statements.visit_with,
    ast.AsyncWith: statements.visit_with,
    ast.Name: references.visit_name,
    ast.Attribute: references.visit_attribute,
    ast.Subscript: references.visit_subscript,
    ast.Call: references.visit_call,
    ast.Await: host_calls.visit_await,
    ast.Expr: host_calls.visit_expression,
    ast.Constant: links.visit_constant,
    ast.JoinedStr: links.visit_joined,
}
_TYPE_ALIAS = getattr(ast, "TypeAlias", None)
if _TYPE_ALIAS is not None:  # Python 3.12
    _HANDLERS[_TYPE_ALIAS] = statements.visit_type_alias
features.watch(_HANDLERS)


def analyse_module(content: bytes, *, name: str, file: str, is_package: bool) -> ModuleAnalysis:
    """The analysis of one module. `name` is its import name, `file` relative to the project.

    Raises Unparsable.
    """
    return outline(parse(content), name=name, file=file, is_package=is_package)


def outline(parsed: Parsed, *, name: str, file: str, is_package: bool) -> ModuleAnalysis:
    """The analysis of a module that has been parsed."""
    return _finished(_walked(parsed), parsed, name, file, is_package)


def _walked(parsed: Parsed) -> Walk:
    """The walk over a module; one that has seen nothing where the nesting is too deep."""
    walk = Walk(parsed.source, _HANDLERS)
    try:
        if parsed.tree is not None:
            walk.run(parsed.tree)
            return walk
    except RecursionError:
        walk = Walk(parsed.source, _HANDLERS)
    walk.is_open = True
    return walk


def _finished(walk: Walk, parsed: Parsed, name: str, file: str, is_package: bool) -> ModuleAnalysis:
    functions = sorted(walk.functions, key=lambda f: f.span.line)
    classes = sorted(walk.classes, key=lambda c: c.span.line)
    assigned = {n: s for n, s in walk.assigned.items() if walk.module.counts.get(n) == 1}
    routes = (r for r, scope in walk.routes if scope.is_bound_once(r.router))
    return ModuleAnalysis(
        name=name,
        file=file,
        is_package=is_package,
        imports=tuple(sorted(walk.imports, key=lambda i: (i.span.line, i.span.column))),
        bound=frozenset(walk.module.counts),
        rebound=frozenset(n for n, count in walk.module.counts.items() if count > 1),
        exports=walk.exports,
        is_open=walk.is_open,
        functions=tuple(f.finished() for f in functions),
        classes=tuple(c.finished() for c in classes),
        assigned=assigned,
        uses=tuple(sorted(_uses(walk), key=lambda u: (u.span.line, u.span.column))),
        routes=tuple(sorted(routes, key=lambda r: (r.span.line, r.span.column))),
        notes=parsed.notes,
        calls=tuple(sorted(walk.calls, key=lambda c: (c.span.line, c.span.column))),
        features=tuple(sorted(walk.features.values(), key=lambda f: (f.span.line, f.name))),
        links=tuple(sorted(walk.links, key=lambda found: (found.span.line, found.span.column))),
    )


def _uses(walk: Walk) -> Iterable[Use]:
    """The references to what was imported from plugins."""
    for found in walk.references:
        target = found.context.scope.find_import(found.root)
        if target is not None:
            level, module, name = target
            yield Use(
                level=level,
                module=module,
                name=name,
                path=found.path,
                span=walk.source.span(found.node),
                call=None if found.call is None else call_of(found.call),
                stores=found.stores,
                lazy=found.context.lazy,
            )
