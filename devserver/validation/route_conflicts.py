"""Routes of one plugin that answer the same path and method."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.validation.analysis import ModuleAnalysis, Route
from devserver.validation.candidate import Candidate
from devserver.validation.findings import did_you_mean, error, warning
from devserver.validation.parameters import Signature

_NAMED = re.compile(r"<(?:[^:<>]*:)?([^<>]*)>")
_PARAMETER = re.compile(r"<(?:([^:<>]*):)?[^<>]*>")


def route_conflicts(candidate: Candidate) -> Iterator[Diagnostic]:
    """Two routes on one router are an error; one in register_routes() and one in routes.py a
    warning, because it is not sure that both are mounted."""
    for analysis in candidate.modules.values():
        yield from _unservable(candidate, analysis)
        taken: dict[tuple[str, str, str, str], Route] = {}
        for route in analysis.routes:
            for method in route.methods:
                place = (route.owner, route.router, method, shape_of(route.path))
                first = taken.setdefault(place, route)
                if first is not route:
                    yield _twice(candidate, analysis, route, method, first)
    yield from _across(candidate)


def _unservable(candidate: Candidate, analysis: ModuleAnalysis) -> Iterator[Diagnostic]:
    """Paths that Flask refuses when the route is added."""
    for route in analysis.routes:
        problem, hint = _problem_with(route)
        if problem is not None:
            message = f"the path {route.path!r} {problem}"
            yield error(
                candidate, "STR020", message, file=analysis.file, span=route.span, hint=hint
            )
        elif route.view is not None and not route.view.keywords:
            yield from _not_taken(candidate, analysis, route, route.view)


def _not_taken(
    candidate: Candidate, analysis: ModuleAnalysis, route: Route, view: Signature
) -> Iterator[Diagnostic]:
    """Parameters of the path that the view does not take: each request fails."""
    taken = (*view.positional, *view.keyword_only)
    for name in _NAMED.findall(route.path):
        if name not in taken:
            yield warning(
                candidate,
                "STR026",
                f"the view of {route.path!r} has no parameter {name!r}",
                file=analysis.file,
                span=route.span,
                hint=did_you_mean(name, taken) or f"add {name!r} to its parameters",
            )


def _problem_with(route: Route) -> tuple[str | None, str | None]:
    path = route.path
    if route.owner.endswith(".register_routes") and not path.startswith("/"):
        return "does not begin with a slash", f"write {'/' + path!r}"
    rest = _PARAMETER.sub("", path)
    if "<" in rest or ">" in rest:
        return "has a bracket without its other half", "a parameter is written <int:number>"
    names = _NAMED.findall(path)
    for name in names:
        if not name.isidentifier():
            return f"has a parameter {name!r}, which is no name", "use letters, digits and _"
        if names.count(name) > 1:
            return f"has the parameter {name!r} twice", "give each its own name"
    return None, None


def _twice(
    candidate: Candidate, analysis: ModuleAnalysis, route: Route, method: str, first: Route
) -> Diagnostic:
    return error(
        candidate,
        "STR012",
        f"{method} {route.path} is declared twice, first in line {first.span.line}",
        file=analysis.file,
        span=route.span,
        hint="remove one of them, or give it another path",
    )


def _across(candidate: Candidate) -> Iterator[Diagnostic]:
    routes = candidate.modules.get(f"{candidate.package}.routes")
    entry = candidate.modules.get(candidate.entry_module)
    if routes is None or entry is None:
        return
    known = {
        (method, shape_of(route.path)): route
        for route in entry.routes
        if route.owner.endswith(".register_routes") and route.router == "router"
        for method in route.methods
    }
    for route in routes.routes:
        for method in route.methods:
            first = known.get((method, shape_of(route.path)))
            if route.owner == "get_router" and first is not None:
                yield warning(
                    candidate,
                    "STR013",
                    f"{method} {route.path} is also declared in {entry.file}:{first.span.line}",
                    file=routes.file,
                    span=route.span,
                    hint="register_routes() and get_router() share the path of the plugin",
                )


def shape_of(path: str) -> str:
    """`/a/<int:x>` and `/a/<int:y>` have one shape."""
    return _PARAMETER.sub(lambda match: f"<{match.group(1) or ''}>", path)
