"""The routes of one generation as the API lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devserver.runtime.framework import flask_rule, operations_of
from devserver.runtime.mounts import Mount
from devserver.sdk.routing import first_line

if TYPE_CHECKING:
    from devserver.runtime.routes import PluginApp

BASE_METHODS = frozenset({"HEAD", "OPTIONS"})
"""What Flask answers by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEntry:
    """A route as the API lists it. `path` is below the plugin's mount point."""

    path: str
    methods: tuple[str, ...]
    name: str
    summary: str = ""


def listed(app: PluginApp) -> tuple[RouteEntry, ...]:
    """The routes of an app, in order of declaration, then those of what is mounted."""
    own = tuple(
        RouteEntry(
            path=rule.rule,
            methods=tuple(sorted((rule.methods or set()) - BASE_METHODS)),
            name=rule.endpoint.rpartition(".")[2].split("#")[0],
            summary=str(getattr(app.view_functions.get(rule.endpoint), "summary", "")),
        )
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
    )
    return own + tuple(entry for mount in app.mounts for entry in _of_mount(mount))


def _of_mount(mount: Mount) -> Iterator[RouteEntry]:
    if mount.framework is None:
        yield RouteEntry(path=f"{mount.prefix}/<path:rest>", methods=(), name=mount.name)
        return
    for route in operations_of(mount.framework):
        yield RouteEntry(
            path=mount.prefix + flask_rule(route.path),
            methods=tuple(sorted(set(route.methods) - BASE_METHODS)),
            name=str(route.name),
            summary=str(getattr(route, "summary", None) or first_line(route.endpoint.__doc__)),
        )
