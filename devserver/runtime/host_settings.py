"""config/main.yaml: the host's own settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devserver.core.errors import DevServerError

MAIN_FILE = "config/main.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Part):
    """Where the server listens and whom it answers."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


class HostSettings(_Part):
    """All of config/main.yaml; parts that other programs read stay unread here."""

    server: ServerSettings = ServerSettings()
    database: dict[str, Any] = Field(default_factory=dict)
    auth: dict[str, Any] = Field(default_factory=dict)
    packages: dict[str, Any] = Field(default_factory=dict)
    validation: dict[str, Any] = Field(default_factory=dict)
    on_plugin_failure: Literal["continue", "abort"] = "continue"


def read_host_settings(root: Path) -> HostSettings:
    """The host settings of a project; defaults without a file.

    Raises DevServerError that names file, place and what is wrong.
    """
    hint = f"correct {MAIN_FILE} and start again"
    try:
        value = yaml.safe_load((root / MAIN_FILE).read_bytes())
    except FileNotFoundError:
        return HostSettings()
    except OSError as error:
        raise DevServerError(f"{MAIN_FILE} cannot be read: {error.strerror}", hint=hint) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = MAIN_FILE if mark is None else f"{MAIN_FILE}:{mark.line + 1}:{mark.column + 1}"
        problem = getattr(error, "problem", None) or "no valid YAML"
        raise DevServerError(f"{place}: {problem}", hint=hint) from None
    try:
        return HostSettings.model_validate(value or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DevServerError(f"{MAIN_FILE}: {key}: {first['msg']}", hint=hint) from None
