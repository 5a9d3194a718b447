"""`@router.get("/path")`: routes as they are declared."""

from __future__ import annotations

import ast

from devserver.validation.analysis import Route
from devserver.validation.outline import expressions
from devserver.validation.outline.decoding import SourceText

METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
_DISTINGUISHING = frozenset(
    {"host", "subdomain", "defaults", "redirect_to", "websocket", "build_only"}
)
"""Options with which two rules of one path can stand beside each other."""


def route_of(decorator: ast.expr, owner: str, source: SourceText) -> Route | None:
    """The route that a decorator declares, None when it is none or cannot be told."""
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return None
    verb, router = decorator.func.attr, decorator.func.value
    if not isinstance(router, ast.Name) or (verb not in METHODS and verb != "route"):
        return None
    options = {k.arg: k.value for k in decorator.keywords}
    if None in options or _DISTINGUISHING & options.keys():
        return None
    place = decorator.args[0] if decorator.args else options.get("path", options.get("rule"))
    path = expressions.literal_text(place)
    methods = _methods(verb, decorator, options)
    if place is None or path is None or methods is None:
        return None
    return Route(owner=owner, router=router.id, methods=methods, path=path, span=source.span(place))


def _methods(
    verb: str, call: ast.Call, options: dict[str | None, ast.expr]
) -> tuple[str, ...] | None:
    if verb != "route":
        return (verb.upper(),)
    given = call.args[1] if len(call.args) > 1 else options.get("methods")
    if given is None:
        return ("GET",)
    texts = expressions.literal_texts(given)
    return None if texts is None else tuple(sorted({t.upper() for t in texts}))
