"""Permissions that a plugin registers and asks for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from devserver.core.errors import PermissionDenied
from devserver.core.permissions import Caller

F = TypeVar("F", bound=Callable[..., Any])

CALLER: ContextVar[Callable[[], Caller] | None] = ContextVar("devserver_caller", default=None)
"""Tells who the current work is done for; None means that there is no caller, and so everything
may be done (a hook, a task, an event). Whoever asks nothing does not pay for finding out."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that a plugin introduces, e.g. `Permission(key="orders.view")`."""

    key: str
    description: str = ""


def current_caller() -> Caller:
    """Who the current work is done for."""
    ask = CALLER.get()
    return Caller() if ask is None else ask()


@contextmanager
def acting_for(caller: Caller) -> Iterator[None]:
    """The block is done for that caller."""
    token = CALLER.set(lambda: caller)
    try:
        yield
    finally:
        CALLER.reset(token)


def require(*keys: str) -> None:
    """Raises PermissionDenied, naming all of `keys` that the caller lacks."""
    caller = current_caller()
    missing = caller.missing(keys)
    if missing:
        raise PermissionDenied(*missing, caller=caller.name)


def requires_permission(*keys: str) -> Callable[[F], F]:
    """Lets a function or coroutine function run only for callers that hold all of `keys`; as a
    dependency of FastAPI (`Depends(requires_permission("a.b"))`) it asks for them as well.

    Raises PermissionDenied (HTTP 403 in a route) otherwise, TypeError where the keys are left out.
    """
    if not keys or not all(isinstance(key, str) for key in keys):
        raise TypeError('name the permission: @requires_permission("orders.view")')

    def decorate(function: F | None = None) -> Any:
        if function is None:
            return require(*keys)
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
        inner = getattr(function, "__required_permissions__", ())
        checked.__required_permissions__ = (*keys, *inner)
        # A route that is declared below this decorator would serve the function unchecked.
        if hasattr(function, "__dict__"):
            function.__dict__["__unchecked_permissions__"] = keys
        return checked

    # Else FastAPI would have callers send the function, and run the view without asking.
    decorate.__dict__.update(__signature__=inspect.Signature(), __required_permissions__=keys)
    return decorate
