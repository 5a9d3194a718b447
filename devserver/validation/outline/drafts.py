"""What the walk over a syntax tree collects before it can be judged as a whole."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from devserver.validation.analysis import (
    Attribute,
    Class,
    Function,
    HostCall,
    Span,
)
from devserver.validation.outline import expressions
from devserver.validation.outline.decoding import SourceText
from devserver.validation.parameters import Call, Signature

ImportTarget = tuple[int, str, str | None]
"""level, module, name (None for the module itself)."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Kind(Enum):
    """What opens a scope. INNER is a comprehension or a lambda."""

    MODULE = "module"
    FUNCTION = "function"
    CLASS = "class"
    INNER = "inner"


class Scope:
    """Names bound in one scope, with how often, and what the imported ones stand for."""

    __slots__ = ("counts", "imports", "is_generator", "kind", "parent", "qualname", "returns")

    def __init__(self, kind: Kind, parent: Scope | None, qualname: str = "") -> None:
        self.kind = kind
        self.parent = parent
        self.qualname = qualname
        self.counts: dict[str, int] = {}
        self.imports: dict[str, set[ImportTarget]] = {}
        self.is_generator = False
        self.returns: list[str] = []

    def bind(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def bind_import(self, name: str, target: ImportTarget) -> None:
        known = self.imports.setdefault(name, set())
        if target not in known:
            known.add(target)
            self.bind(name)

    def outermost_inner(self) -> Scope:
        """The scope that a walrus binds in."""
        scope = self
        while scope.kind is Kind.INNER and scope.parent is not None:
            scope = scope.parent
        return scope

    def find_import(self, name: str) -> ImportTarget | None:
        """What a name stands for where it can be nothing but one import."""
        scope: Scope | None = self
        while scope is not None:
            visible = scope is self or scope.kind is not Kind.CLASS
            if visible and name in scope.counts:
                targets = scope.imports.get(name, set())
                sole = len(targets) == 1 and scope.counts[name] == 1
                return next(iter(targets)) if sole else None
            scope = scope.parent
        return None

    def is_bound_once(self, name: str) -> bool:
        """True when the nearest scope that has the name binds it exactly once."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.counts:
                return scope.counts[name] == 1
            scope = scope.parent
        return False


@dataclass(slots=True, kw_only=True)
class FunctionDraft:
    """A function while its body is still to be walked."""

    node: FunctionNode
    span: Span
    scope: Scope
    is_factory: bool = False

    def finished(self) -> Function:
        node = self.node
        return Function(
            name=node.name,
            span=self.span,
            is_async=isinstance(node, ast.AsyncFunctionDef),
            is_generator=self.scope.is_generator,
            decorators=tuple(expressions.dotted_or_unknown(d) for d in node.decorator_list),
            signature=signature_of(node.args),
            returns=tuple(self.scope.returns) if self.is_factory else (),
            deprecated=expressions.deprecation(node.decorator_list),
        )


@dataclass(slots=True, kw_only=True)
class ClassDraft:
    """A class while its body is still to be walked."""

    node: ast.ClassDef
    span: Span
    methods: list[FunctionDraft] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    initial: list[Attribute] = field(default_factory=list)
    assigned: set[str] = field(default_factory=set)
    mutated: set[str] = field(default_factory=set)
    calls: list[HostCall] = field(default_factory=list)

    def finished(self) -> Class:
        node = self.node
        keywords = (
            f"{k.arg or '**'}={expressions.dotted_or_unknown(k.value)}" for k in node.keywords
        )
        return Class(
            name=node.name,
            span=self.span,
            bases=tuple(expressions.base_name(b) for b in node.bases),
            keywords=tuple(keywords),
            decorators=tuple(expressions.dotted_or_unknown(d) for d in node.decorator_list),
            methods=tuple(m.finished() for m in _by_line(self.methods)),
            attributes=tuple(_by_line(self.attributes)),
            initial=tuple(_by_line(self.initial)),
            assigned=frozenset(self.assigned),
            mutated=frozenset(self.mutated),
            calls=tuple(_by_line(self.calls)),
            deprecated=expressions.deprecation(node.decorator_list),
        )


def _by_line(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda item: (item.span.line, item.span.column))


def attribute_of(name: str, span: Span, value: ast.expr | None) -> Attribute:
    """An attribute that is assigned `value`, None where that is not known."""
    try:
        known = expressions.literal(value) if value is not None else None
        is_literal = value is not None
    except expressions.NotLiteral:
        known, is_literal = None, False
    mutable = value is not None and expressions.is_mutable(value)
    return Attribute(name=name, span=span, literal=is_literal, value=known, mutable=mutable)


def signature_of(arguments: ast.arguments) -> Signature:
    """The parameters of a function definition."""
    required = (
        a.arg
        for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    )
    return Signature(
        positional_only=tuple(a.arg for a in arguments.posonlyargs),
        positional=tuple(a.arg for a in arguments.args),
        defaults=len(arguments.defaults),
        keyword_only=tuple(a.arg for a in arguments.kwonlyargs),
        keyword_required=tuple(required),
        varargs=arguments.vararg is not None,
        keywords=arguments.kwarg is not None,
    )


def call_of(node: ast.Call) -> Call:
    """The arguments of a call."""
    starred = any(isinstance(a, ast.Starred) for a in node.args)
    named = [k.arg for k in node.keywords]
    return Call(
        positional=len(node.args),
        keywords=tuple(k for k in named if k is not None),
        open=starred or None in named,
    )


def parameter_names(arguments: ast.arguments) -> list[str]:
    """All names that the parameters bind."""
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [a.arg for a in named]


def name_span(node: FunctionNode | ast.ClassDef, source: SourceText) -> Span:
    """The place of a definition's name."""
    whole = source.span(node)
    text = source.lines[node.lineno - 1] if node.lineno <= len(source.lines) else ""
    keyword = "class" if isinstance(node, ast.ClassDef) else "def"
    behind = max(text.find(keyword, whole.column - 1), 0) + len(keyword)
    start = text.find(node.name, behind)
    if start < 0:
        return Span(whole.line, whole.column, whole.line, whole.column + 1)
    return Span(whole.line, start + 1, whole.line, start + 1 + len(node.name))
