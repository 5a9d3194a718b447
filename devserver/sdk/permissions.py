"""Permissions that a plugin registers and asks for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from devserver.core.errors import PermissionDenied
from devserver.core.permissions import is_granted

F = TypeVar("F", bound=Callable[..., Any])

GRANTS: ContextVar[frozenset[str] | None] = ContextVar("devserver_grants", default=None)
"""What the caller may do; None means everything (the developer on the own machine, or no
caller at all)."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that a plugin introduces, e.g. `Permission(key="orders.view")`."""

    key: str
    description: str = ""


def require(*keys: str) -> None:
    """Raises PermissionDenied, naming the first of `keys` that the caller lacks."""
    grants = GRANTS.get()
    if grants is None:
        return
    for key in keys:
        if not is_granted(key, grants):
            raise PermissionDenied(key)


def requires_permission(*keys: str) -> Callable[[F], F]:
    """Lets a function or coroutine function run only for callers that hold all of `keys`.

    Raises PermissionDenied (HTTP 403 in a route) otherwise.
    """

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def checked_async(*args: Any, **kwargs: Any) -> Any:
                require(*keys)
                return await function(*args, **kwargs)

            checked: Any = checked_async
        else:

            @functools.wraps(function)
            def checked_plain(*args: Any, **kwargs: Any) -> Any:
                require(*keys)
                return function(*args, **kwargs)

            checked = checked_plain
        checked.__required_permissions__ = keys
        return checked  # type: ignore[no-any-return]

    return decorate
