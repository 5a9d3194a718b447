"""Syntax that came with a version of Python."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

from devserver.validation.analysis import Feature, Span
from devserver.validation.outline.drafts import name_span
from devserver.validation.outline.walk import Context, Handler, Walk

Judge = Callable[[Walk, Any], tuple[str, str] | None]
"""The version and name of what a node needs, None when it needs nothing new."""


def watch(handlers: MutableMapping[type, Handler]) -> None:
    """Has the nodes noted that came with a version, before their handler sees them."""
    for name, (version, feature) in _OF_NODES.items():
        _wrap(handlers, name, _always(version, feature))
    for name, judge in _OF_SHAPES.items():
        _wrap(handlers, name, judge)


def _wrap(handlers: MutableMapping[type, Handler], name: str, judge: Judge) -> None:
    kind = getattr(ast, name, None)
    if kind is None:
        return  # of a Python that is newer than this one
    handler = handlers.get(kind, Walk.push_children)

    def noting(walk: Walk, node: Any, context: Context) -> None:
        needed = judge(walk, node)
        if needed is not None:
            version, feature = needed
            span, known = _place(walk, node), walk.features.get(feature)
            if known is None or (span.line, span.column) < (known.span.line, known.span.column):
                walk.features[feature] = Feature(version=version, name=feature, span=span)
        handler(walk, node, context)

    handlers[kind] = noting


def _always(version: str, feature: str) -> Judge:
    needed = (version, feature)
    return lambda _walk, _node: needed


_OF_NODES = {
    "NamedExpr": ("3.8", "an assignment expression"),
    "Match": ("3.10", "a match statement"),
    "TryStar": ("3.11", "except*"),
    "TypeAlias": ("3.12", "a type statement"),
    "TemplateStr": ("3.14", "a template string"),
}


def _of_function(_walk: Walk, node: Any) -> tuple[str, str] | None:
    if getattr(node, "type_params", None):
        return "3.12", "type parameters"
    if node.args.posonlyargs:
        return "3.8", "positional-only parameters"
    return _of_decorators(node.decorator_list)


def _of_class(_walk: Walk, node: Any) -> tuple[str, str] | None:
    if getattr(node, "type_params", None):
        return "3.12", "type parameters"
    return _of_decorators(node.decorator_list)


def _of_decorators(decorators: list[ast.expr]) -> tuple[str, str] | None:
    for decorator in decorators:
        plain = decorator.func if isinstance(decorator, ast.Call) else decorator
        while isinstance(plain, ast.Attribute):
            plain = plain.value
        if not isinstance(plain, ast.Name):
            return "3.9", "a decorator that is any expression"
    return None


def _of_handler(walk: Walk, node: ast.ExceptHandler) -> tuple[str, str] | None:
    """`except A, B:` without brackets."""
    if isinstance(node.type, ast.Tuple):
        span = walk.source.span(node.type)
        if walk.source.lines[span.line - 1][span.column - 1 : span.column] != "(":
            return "3.14", "except with several types and no brackets"
    return None


def _of_string(walk: Walk, node: ast.JoinedStr) -> tuple[str, str] | None:
    if sys.version_info >= (3, 12):
        segment = ast.get_source_segment(walk.source.text, node)
        if segment is not None and is_formal_fstring(segment):
            return "3.12", "an f-string with quotes, backslashes or comments inside its braces"
    return None


_OF_SHAPES: dict[str, Judge] = {
    "FunctionDef": _of_function,
    "AsyncFunctionDef": _of_function,
    "ClassDef": _of_class,
    "ExceptHandler": _of_handler,
    "JoinedStr": _of_string,
}

_OPENING = re.compile(r"([A-Za-z]*)('''|\"\"\"|'|\")")


def is_formal_fstring(text: str) -> bool:
    """True for an f-string, or several beside each other, that only the grammar of Python 3.12
    reads: its own quote, a backslash or a comment stands inside of braces."""
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        quote, at, depth = opening[2], opening.end(), 0
        is_formatted = "f" in opening[1].lower()
        while at < len(text) and (depth or not text.startswith(quote, at)):
            char = text[at]
            if depth and (char in "\\#" or text.startswith(quote, at)):
                return True
            doubled = not depth and text[at : at + 2] in ("{{", "}}")
            if is_formatted and not doubled:
                depth += (char == "{") - (char == "}" and depth > 0)
            at += 2 if doubled or char == "\\" else 1
        at += len(quote)
    return False


def _place(walk: Walk, node: Any) -> Span:
    """The name of a definition, the keyword of a statement, the whole of an expression."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return name_span(node, walk.source)
    if isinstance(node, _TRY_STAR):
        node = node.handlers[0]
    whole = walk.source.span(node)
    if isinstance(node, ast.expr):
        return whole
    word = _KEYWORD.match(walk.source.lines[whole.line - 1], whole.column - 1)
    end = whole.column + (len(word[0]) if word is not None else 1)
    return Span(whole.line, whole.column, whole.line, end)


_KEYWORD = re.compile(r"\w+\*?")
_TRY_STAR: Any = getattr(ast, "TryStar", ())
