"""Router: how a plugin declares its routes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One declared route. `rule` is a Flask rule that starts with `/`; `options` go to
    `Flask.add_url_rule` as they are."""

    rule: str
    methods: tuple[str, ...]
    view: Callable[..., Any]
    name: str
    summary: str = ""
    options: dict[str, Any] = field(default_factory=dict)


class Router:
    """Collects routes; the host serves them below `/NAME`.

    A view's parameters come from the path; one that is not in the path and is annotated dict,
    list, a dataclass or a pydantic model is the JSON body (422 with the errors when it does not
    fit), any other a query parameter. Views return what Flask views return, and pydantic models
    and dataclasses.
    """

    def __init__(self, prefix: str = "", tags: Sequence[str] = ()) -> None:
        self.prefix = prefix.rstrip("/")
        self.tags = tuple(tags)
        self.routes: list[Route] = []
        self.mounted: list[tuple[str, Any]] = []

    def route(
        self, path: str, methods: Sequence[str] = ("GET",), **options: Any
    ) -> Callable[[F], F]:
        """Declares the decorated view for `path`.

        Raises ValueError when the path does not start with a slash.
        """
        if not path.startswith("/") and not (path == "" and self.prefix):
            raise ValueError(f"the path of a route starts with '/': {path!r}")
        summary = options.pop("summary", "")

        def decorate(view: F) -> F:
            self.routes.append(
                Route(
                    rule=self.prefix + path,
                    methods=tuple(sorted({m.upper() for m in methods})),
                    view=view,
                    name=options.pop("endpoint", None) or getattr(view, "__name__", "view"),
                    summary=summary or first_line(inspect.getdoc(view)),
                    options=options,
                )
            )
            return view

        return decorate

    def mount(self, path: str, application: Any) -> None:
        """A WSGI or ASGI application answers below `path`, but for what routes answer there.

        Raises ValueError when the path does not start with a slash.
        """
        if not path.startswith("/"):
            raise ValueError(f"the path of a mounted application starts with '/': {path!r}")
        self.mounted.append((self.prefix + path, application))

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for GET."""
        return self.route(path, ("GET",), **options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for POST."""
        return self.route(path, ("POST",), **options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for PUT."""
        return self.route(path, ("PUT",), **options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for PATCH."""
        return self.route(path, ("PATCH",), **options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for DELETE."""
        return self.route(path, ("DELETE",), **options)


def first_line(text: str | None) -> str:
    """The first line of a docstring, "" without one."""
    return text.strip().splitlines()[0] if text and text.strip() else ""
