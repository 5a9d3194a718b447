"""The walk over a module's syntax tree: its state and its loop.

The walk keeps its own stack instead of recursing: a long `elif` chain or a long sum nests as
deep as it is long.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from devserver.validation.analysis import Feature, HostCall, Import, Link, Route
from devserver.validation.outline.decoding import SourceText
from devserver.validation.outline.drafts import ClassDraft, FunctionDraft, Kind, Scope

_NOT_CHILDREN = frozenset(
    {
        *("ctx", "op", "ops", "id", "attr", "arg", "name", "names", "rest"),
        *("annotation", "returns", "type_params", "type_comment", "type_ignores"),
        *("kind", "conversion", "is_async", "simple", "level", "kwd_attrs", "str"),
    }
)
"""Fields without expressions that run: operators, names, annotations."""
_LEAVES = frozenset(
    {"Constant", "Pass", "Break", "Continue", "MatchSingleton", "Load", "Store", "Del"}
)


@dataclass(frozen=True, slots=True)
class Context:
    """Where in the module the walk is.

    `optional`: an import that fails here is caught; `guarded`: so is a missing attribute.
    `owner` is the class of the module whose body or method this is, `self_name` the method's
    first parameter, `method` the method's name.
    """

    scope: Scope
    lazy: bool = False
    optional: bool = False
    conditional: bool = False
    guarded: bool = False
    owner: ClassDraft | None = None
    self_name: str | None = None
    method: str = ""

    def inside(
        self,
        scope: Scope | None = None,
        *,
        lazy: bool = False,
        optional: bool = False,
        conditional: bool = False,
        guarded: bool = False,
    ) -> Context:
        """The context of a part of this one: what holds outside holds there too."""
        return Context(
            scope or self.scope,
            self.lazy or lazy,
            self.optional or optional,
            self.conditional or conditional,
            self.guarded or guarded,
            self.owner,
            self.self_name,
            self.method,
        )


@dataclass(slots=True)
class Reference:
    """`root.path`, before it is known what `root` is."""

    root: str
    path: tuple[str, ...]
    node: ast.expr
    call: ast.Call | None
    stores: bool
    context: Context


class Walk:
    """Collects everything that an analysis is made of. `handlers` take a node, the context and
    this; nodes without one have their children visited."""

    def __init__(self, source: SourceText, handlers: Mapping[type, Handler]) -> None:
        self.source = source
        self.module = Scope(Kind.MODULE, None)
        self.imports: list[Import] = []
        self.functions: list[FunctionDraft] = []
        self.classes: list[ClassDraft] = []
        self.assigned: dict[str, str] = {}
        self.exports: tuple[str, ...] | None = None
        self.is_open = False
        self.references: list[Reference] = []
        self.routes: list[tuple[Route, Scope]] = []
        self.calls: list[HostCall] = []
        self.awaited: set[ast.expr] = set()
        self.discarded: set[ast.expr] = set()
        self.features: dict[str, Feature] = {}
        self.links: list[Link] = []
        self.asks = any(word in source.text for word in ("hasattr", "getattr", "dir("))
        self._handlers = handlers
        self._stack: list[tuple[ast.AST, Context]] = []

    def run(self, tree: ast.Module) -> None:
        """Visits every node that can matter."""
        self.push(tree.body, Context(self.module))
        stack, handlers = self._stack, self._handlers
        while stack:
            node, context = stack.pop()
            handler = handlers.get(node.__class__)
            if handler is not None:
                handler(self, node, context)
            else:
                self.push_children(node, context)

    def push(self, nodes: Iterable[ast.AST | None], context: Context) -> None:
        """Has nodes visited later."""
        self._stack += [(n, context) for n in nodes if n is not None]

    def push_children(self, node: ast.AST, context: Context) -> None:
        """Has a node's children visited later."""
        for name in _fields(node.__class__):
            child = getattr(node, name)
            if child.__class__ is list:
                self.push(child, context)
            elif child is not None:
                self._stack.append((child, context))


Handler = Callable[[Walk, Any, Context], None]

_KNOWN_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(kind: type) -> tuple[str, ...]:
    found = _KNOWN_FIELDS.get(kind)
    if found is None:
        leaf = kind.__name__ in _LEAVES or not issubclass(kind, ast.AST)
        found = (
            () if leaf else tuple(f for f in getattr(kind, "_fields", ()) if f not in _NOT_CHILDREN)
        )
        _KNOWN_FIELDS[kind] = found
    return found
