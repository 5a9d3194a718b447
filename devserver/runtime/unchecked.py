"""Finds views that are served without the permission that they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from devserver.core.errors import DevServerError
from devserver.runtime.framework import operations_of

if TYPE_CHECKING:
    from devserver.runtime.routes import PluginApp


class PermissionNotAsked(DevServerError):
    """`@requires_permission` stands above a route's decorator, which has taken the bare view."""


def refuse_unchecked(app: PluginApp) -> None:
    """Raises PermissionNotAsked, which names the view."""
    for view in _views(app):
        keys = getattr(view, "__dict__", {}).get("__unchecked_permissions__")
        if keys:
            raise PermissionNotAsked(
                f"the route {view.__name__!r} would be served without asking for "
                f"{', '.join(map(repr, keys))}",
                hint="put @requires_permission below the route's decorator, next to the function",
            )


def _views(app: PluginApp) -> Iterator[Any]:
    for view in app.view_functions.values():
        yield getattr(view, "declared", view)
    for mount in app.mounts:
        for route in operations_of(mount.framework) if mount.framework is not None else ():
            yield route.endpoint
