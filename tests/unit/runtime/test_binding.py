"""How a view's and a command's annotations are read."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from pydantic import BaseModel

from devserver.runtime.arguments import BadArguments, fitted
from devserver.runtime.binding import BadParameters, bound
from devserver.runtime.signatures import signature_of


def written(code: str) -> dict[str, Any]:
    """The names that a module has whose annotations are text."""
    names: dict[str, Any] = {"__name__": "written"}
    exec("from __future__ import annotations\n" + textwrap.dedent(code), names)
    return names


VIEWS = """
    from typing import TYPE_CHECKING
    from pydantic import BaseModel

    if TYPE_CHECKING:
        from somewhere import Answer, Unknown

    class User(BaseModel):
        age: int

    def create(user: User, limit: int, unknown: Unknown = "u", broken: 1 / 0 = "b") -> Answer:
        return {"age": user.age, "limit": limit, "unknown": unknown, "broken": broken}
"""


def call(view: Callable[..., Any], query: str = "", **options: Any) -> Any:
    def run(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        return function(**arguments)

    with Flask("test").test_request_context(f"/?{query}", method="POST", **options):
        return bound(view, frozenset(), run)()


def test_an_annotation_that_cannot_be_evaluated_spoils_no_other() -> None:
    create = written(VIEWS)["create"]
    answer = call(create, "limit=3&unknown=x", json={"age": 40})
    assert answer == {"age": 40, "limit": 3, "unknown": "x", "broken": "b"}
    with pytest.raises(BadParameters) as caught:
        call(create, "limit=many", json={"age": "old"})
    assert [e["loc"] for e in caught.value.errors] == [["user", "age"], ["limit"]]


def test_a_command_takes_its_types_from_each_annotation_by_itself() -> None:
    names = written("""
        def add(a: int, b: Unknown = 1) -> Answer:
            return a + int(b)
    """)
    fit = fitted("add", names["add"], {"a": "2", "b": "3"})
    assert names["add"](*fit.args, **fit.kwargs) == 5
    with pytest.raises(BadArguments, match="a: Input should be a valid integer"):
        fitted("add", names["add"], {"a": "x"})


def test_names_of_enclosing_functions_are_known_where_the_view_uses_them() -> None:
    names = written("""
        def make():
            class Local:
                pass
            later: object
            def view(a: Local, b: int):
                return Local, later
            return view, Local
            later = 1
    """)
    view, local = names["make"]()
    assert [p.annotation for p in signature_of(view).parameters.values()] == [local, int]


class Model(BaseModel):
    name: str


class Views:
    def view(self, model: Model) -> Missing:  # type: ignore[name-defined]  # noqa: F821
        return model

    def __call__(self, model: Model) -> Missing:  # type: ignore[name-defined]  # noqa: F821
        return model


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return around


@pytest.mark.parametrize(
    "view",
    [
        Views().view,
        Views(),
        functools.partial(Views.view, Views()),
        decorated(Views().view),
        functools.partial(decorated(Views().view)),
    ],
    ids=["method", "object", "partial", "decorated", "all"],
)
def test_methods_partials_and_decorated_functions_are_seen_through(
    view: Callable[..., Any],
) -> None:
    assert signature_of(view).parameters["model"].annotation is Model
    assert call(view, json={"name": "ada"}).json == {"name": "ada"}
