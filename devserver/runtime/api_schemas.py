"""JSON Schemas of what views take and give, named for one document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

PLACE = "#/components/schemas/"
Mode = Literal["validation", "serialization"]


class Schemas:
    """Collects the types of one plugin; `prefix` stands before the names of its schemas."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._wanted: list[tuple[dict[str, Any], JsonSchemaMode, TypeAdapter[Any]]] = []
        self.named: dict[str, Any] = {}
        self.problems: list[str] = []

    def want(self, adapter: TypeAdapter[Any], mode: Mode) -> dict[str, Any]:
        """What `finish` makes the schema of the type; stays empty where there is none."""
        schema: dict[str, Any] = {}
        self._wanted.append((schema, mode, adapter))
        return schema

    def finish(self) -> None:
        """Makes all schemas that are wanted."""
        told = [(n, mode, adapter) for n, (_, mode, adapter) in enumerate(self._wanted)]
        try:
            found, defined = _made(told)
        except Exception:  # noqa: BLE001 - schemas may be made by the plugin's own code
            told = [one for one in told if self._can_be_told(one)]
            found, defined = _made(told)
        names = self.add(defined.get("$defs", {}))
        for (number, _), made in found.items():
            self._wanted[number][0].update(renamed(made, names))

    def add(self, schemas: dict[str, Any]) -> dict[str, str]:
        """Takes schemas in; gives the names that they have now."""
        names = {name: self._name(name, schema) for name, schema in schemas.items()}
        for name, schema in schemas.items():
            self.named[names[name]] = renamed(schema, names)
        return names

    def _name(self, name: str, schema: Any) -> str:
        wanted, number = f"{self._prefix}.{_plain(name)}", 1
        free = wanted
        while free in self.named and self.named[free] != schema:
            number += 1
            free = f"{wanted}.{number}"
        return free

    def _can_be_told(self, one: tuple[int, JsonSchemaMode, TypeAdapter[Any]]) -> bool:
        try:
            _made([one])
        except Exception as error:  # noqa: BLE001 - schemas may be made by the plugin's own code
            self.problems.append(f"a type has no JSON Schema: {type(error).__name__}")
            return False
        return True


def renamed(part: Any, names: dict[str, str]) -> Any:
    """The same with references to the new names."""
    if isinstance(part, dict):
        return {key: renamed(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [renamed(value, names) for value in part]
    if isinstance(part, str) and part.startswith(PLACE):
        name = part[len(PLACE) :]
        return PLACE + names.get(name, name)
    return part


def _made(
    told: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]],
) -> tuple[dict[tuple[int, JsonSchemaMode], Any], dict[str, Any]]:
    return TypeAdapter.json_schemas(told, ref_template=PLACE + "{model}")


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
