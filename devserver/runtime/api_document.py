"""What one generation answers, as its part of an OpenAPI 3.1 document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from devserver.runtime.api_schemas import Schemas, renamed
from devserver.runtime.api_security import SecuritySchemes, required
from devserver.runtime.api_views import operations_of_views, permissions_of, refusal, template_of
from devserver.runtime.framework import called_by, document_of, operations_of
from devserver.runtime.generation import Generation
from devserver.runtime.mounts import Mount
from devserver.runtime.route_list import BASE_METHODS
from devserver.runtime.routes import PluginApp

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_NAME = re.compile(r"\{(\w+)\}")
Told = tuple[str, str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPart:
    """`paths`, `schemas` and `security` (schemes) as they stand in the document; `problems` is
    what could not be told."""

    paths: dict[str, Any] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)
    security: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def part_of(generation: Generation) -> ApiPart:
    """Its part of the document, JSON-ready. Runs the plugin's code where its types have schemas
    of their own; raises what that raises."""
    if generation.app is None:
        return ApiPart()
    schemas = Schemas(generation.key)
    security = SecuritySchemes(generation.key, generation.name)
    paths = _Paths(generation.name, generation.key)
    for told in operations_of_views(generation.app, schemas):
        paths.add(*told)
    for told in _of_mounts(generation.app, schemas, security):
        paths.add(*told)
    for mount in generation.app.mounts:
        if mount.framework is None:
            paths.opaque(f"{mount.prefix}/{{rest}}", mount.name)
    schemas.finish()
    # Through text and back: what a plugin calls a dict may be anything.
    made = {"paths": paths.found, "schemas": schemas.named, "security": security.named}
    told = json.loads(json.dumps(made, default=str))
    return ApiPart(**told, problems=tuple(schemas.problems))


def bare_part_of(generation: Generation, problem: str) -> ApiPart:
    """The same without looking at the views."""
    paths = _Paths(generation.name, generation.key)
    for route in generation.routes:
        template = template_of(route.path)
        if not route.methods:
            paths.opaque(template, route.name)
        for method in route.methods:
            paths.add(template, method.lower(), route.name, _bare(template))
    return ApiPart(paths=paths.found, problems=(problem,))


def _bare(template: str) -> dict[str, Any]:
    return {
        "parameters": [_text_in_path(name) for name in _NAME.findall(template)],
        "responses": {"200": {"description": "The answer"}},
    }


def _text_in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


class _Paths:
    """The paths of one plugin. Templates that differ in names alone are one path."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key
        self._shapes: dict[str, str] = {}
        self._ids: set[str] = set()
        self.found: dict[str, Any] = {}

    def add(self, template: str, method: str, name: str, operation: dict[str, Any]) -> None:
        """What answers a path and method already stays."""
        place = self._place(template)
        item = self.found[place]
        if method not in _METHODS or method in item:
            return
        names = dict(zip(_NAME.findall(template), _NAME.findall(place), strict=True))
        parameters = [
            {**p, "name": names.get(p["name"], p["name"])} if p.get("in") == "path" else p
            for p in operation.get("parameters", ())
        ]
        item[method] = {
            **operation,
            **({"parameters": parameters} if parameters else {}),
            "operationId": self._id(name, method),
            "tags": [self._name],
        }
        needed = operation.get("x-required-permissions")
        if needed:
            told = f"Needs the permission {', '.join(needed)}"
            item[method]["responses"].setdefault("403", refusal(told, "Error"))

    def opaque(self, template: str, name: str) -> None:
        """An application that does not tell its routes."""
        item = self.found[self._place(template)]
        item.setdefault("summary", f"{name} answers everything below")
        item.setdefault("parameters", [_text_in_path("rest")])

    def _place(self, template: str) -> str:
        place = self._shapes.setdefault(_NAME.sub("{}", template), f"/{self._name}{template}")
        self.found.setdefault(place, {})
        return place

    def _id(self, name: str, method: str) -> str:
        plain = re.sub(r"\W+", "_", f"{self._key}_{name}_{method}", flags=re.ASCII)
        free, number = plain, 1
        while free in self._ids:
            number += 1
            free = f"{plain}_{number}"
        self._ids.add(free)
        return free


def _of_mounts(app: PluginApp, schemas: Schemas, security: SecuritySchemes) -> Iterator[Told]:
    for mount in app.mounts:
        if mount.framework is not None:
            yield from _of_framework(mount, schemas, security)


def _of_framework(mount: Mount, schemas: Schemas, security: SecuritySchemes) -> Iterator[Told]:
    document = document_of(mount.framework)
    components = document.get("components", {})
    names = schemas.add(components.get("schemas", {}))
    guards = security.add(components.get("securitySchemes", {}), mount.prefix)
    if not document:
        yield from _of_plain_framework(mount)
    needed = {
        (template_path(route.path), method.lower()): _permissions(route)
        for route in operations_of(mount.framework)
        for method in route.methods
    }
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method not in _METHODS:
                continue
            told = required(renamed(operation, names), guards)
            permissions = needed.get((path, method))
            if permissions:
                told["x-required-permissions"] = permissions
            name = str(told.get("operationId", "view")).removesuffix(f"_{method}")
            yield mount.prefix + path, method, name, told


def _permissions(route: Any) -> list[str]:
    return [key for view in called_by(route) for key in permissions_of(view)]


def _of_plain_framework(mount: Mount) -> Iterator[Told]:
    for route in operations_of(mount.framework):
        template = mount.prefix + template_path(route.path)
        operation = _bare(template)
        permissions = _permissions(route)
        if permissions:
            operation["x-required-permissions"] = permissions
        for method in sorted(set(route.methods) - BASE_METHODS):
            yield template, method.lower(), str(route.name), operation


def template_path(path: str) -> str:
    """`/a/{x:int}` is `/a/{x}`."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
