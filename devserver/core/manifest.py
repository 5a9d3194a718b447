"""manifest.json: what a plugin says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

OptionType = Literal["string", "integer", "number", "boolean", "array", "object"]


class ConfigOption(BaseModel):
    """One configuration key of a plugin. `min` and `max` bound a number, or the length of
    anything else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: OptionType = "string"
    required: bool = False
    default: Any = None
    secret: bool = False
    min: float | None = None
    max: float | None = None
    choices: list[Any] | None = None
    description: str = ""


_OF_TYPE: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why a value does not fit its option; `is_of_type` is False when its type is wrong."""

    message: str
    is_of_type: bool = True


def misfit_of(option: ConfigOption, value: Any) -> Misfit | None:
    """What is to be said of a value that does not fit its option ("is no integer"), None of one
    that does."""
    if not _has_type(value, option.type):
        return Misfit(message=f"is no {option.type}", is_of_type=False)
    if option.choices is not None and value not in option.choices:
        return Misfit(message=f"is none of {', '.join(map(repr, option.choices))}")
    if type(value) is bool:
        return None
    size: float = value if option.type in ("integer", "number") else len(value)
    # Put so that NaN, which compares with nothing, does not fit.
    if option.min is not None and not size >= option.min:
        return Misfit(message=f"is below the minimum of {option.min:g}")
    if option.max is not None and not size <= option.max:
        return Misfit(message=f"is above the maximum of {option.max:g}")
    return None


def _has_type(value: Any, kind: OptionType) -> bool:
    """True and False are no numbers, though Python says so."""
    return isinstance(value, _OF_TYPE[kind]) and (kind == "boolean" or type(value) is not bool)


class EventsDeclaration(BaseModel):
    """Topics that a plugin publishes and subscribes to."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    publishes: list[str] = Field(default_factory=list)
    subscribes: list[str] = Field(default_factory=list)


class Endpoint(BaseModel):
    """One documented route."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    method: str = "GET"
    path: str
    description: str = ""


class Manifest(BaseModel):
    """Every field is optional: what is left out comes from the plugin's class.

    `dependencies` is normalised to name → version specifier ("" for any).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    name: str | None = None
    version: str | None = None
    title: str | None = None
    description: str | None = None
    author: str | None = None
    email: str | None = None
    license: str | None = None
    category: str | None = None
    tags: list[str] = Field(default_factory=list)
    python_version: str | None = None
    host_version: str | None = Field(default=None, alias="nexus_version")
    dependencies: dict[str, str] = Field(default_factory=dict)
    conflicts: list[str] = Field(default_factory=list)
    permissions: list[str] = Field(default_factory=list)
    configuration: dict[str, ConfigOption] = Field(default_factory=dict)
    api_endpoints: list[Endpoint] = Field(default_factory=list)
    events: EventsDeclaration = Field(default_factory=EventsDeclaration)
    is_core: bool | None = None
    exclusive: bool = False
    config_dependencies: list[str] = Field(default_factory=list)
    commands: list[Any] = Field(default_factory=list)
    services: list[str] = Field(default_factory=list)

    @field_validator("dependencies", mode="before")
    @classmethod
    def _as_mapping(cls, value: Any) -> Any:
        """A list of `"name"` and `"name>=1.2"` means the same as a mapping."""
        if not isinstance(value, list):
            return value
        found: dict[str, str] = {}
        for entry in value:
            if not isinstance(entry, str):
                raise ValueError('each dependency is a string such as "users" or "users>=1.2"')
            name, specifier = split_requirement(entry)
            found[name] = specifier
        return found


def split_requirement(entry: str) -> tuple[str, str]:
    """`"users >= 1.2"` → `("users", ">= 1.2")`."""
    for index, char in enumerate(entry):
        if char in "<>=!~ ":
            return entry[:index].strip(), entry[index:].strip()
    return entry.strip(), ""


def published_schema() -> Mapping[str, Any]:
    """The manifest's JSON Schema, for editors."""
    schema = Manifest.model_json_schema(by_alias=False)
    fields = schema["properties"]
    mapping = {k: v for k, v in fields["dependencies"].items() if k != "default"}
    listed = {"type": "array", "items": {"type": "string"}, "title": "Dependencies"}
    fields["dependencies"] = {"anyOf": [listed, mapping]}
    fields["nexus_version"] = {**fields["host_version"], "title": "Nexus Version"}
    return schema
