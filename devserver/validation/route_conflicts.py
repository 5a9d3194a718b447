"""Routes of one plugin that answer the same path and method."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.validation.analysis import ModuleAnalysis, Route
from devserver.validation.candidate import Candidate
from devserver.validation.findings import error, warning

_PARAMETER = re.compile(r"<(?:([^:<>]*):)?[^<>]*>")


def route_conflicts(candidate: Candidate) -> Iterator[Diagnostic]:
    """Two routes on one router are an error; one in register_routes() and one in routes.py a
    warning, because it is not sure that both are mounted."""
    for analysis in candidate.modules.values():
        taken: dict[tuple[str, str, str, str], Route] = {}
        for route in analysis.routes:
            for method in route.methods:
                place = (route.owner, route.router, method, shape_of(route.path))
                first = taken.setdefault(place, route)
                if first is not route:
                    yield _twice(candidate, analysis, route, method, first)
    yield from _across(candidate)


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
