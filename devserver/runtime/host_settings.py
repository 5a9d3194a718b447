"""config/main.yaml: the host's own settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

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


class TokenSettings(_Part):
    """One token of somebody else's: the SHA-256 of it (64 hexadecimal digits), never itself."""

    name: str = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$")
    permissions: tuple[Annotated[str, Field(min_length=1)], ...] = ()


class AuthSettings(_Part):
    """Who may do what, beside the developer."""

    tokens: tuple[TokenSettings, ...] = ()


class HealthSettings(_Part):
    """How often every plugin is asked for its health (0: only when somebody wants to know), and
    what an answer may take, in seconds."""

    interval: float = Field(default=10.0, ge=0, le=86_400)
    timeout: float = Field(default=2.0, gt=0, le=600)


class PackageSettings(_Part):
    """What a ZIP package may have at most: bytes, packed and unpacked alike; files; and how many
    times larger than itself it may become."""

    max_bytes: int = Field(default=50_000_000, ge=1, strict=True)
    max_files: int = Field(default=2_000, ge=1, le=65_534, strict=True)
    max_ratio: int = Field(default=100, ge=1, strict=True)


class HostSettings(_Part):
    """All of config/main.yaml; parts that other programs read stay unread here."""

    server: ServerSettings = ServerSettings()
    database: dict[str, Any] = Field(default_factory=dict)
    auth: AuthSettings = AuthSettings()
    packages: PackageSettings = PackageSettings()
    health: HealthSettings = HealthSettings()
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
