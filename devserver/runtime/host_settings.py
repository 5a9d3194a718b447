"""config/main.yaml: the host's own settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from devserver.core.config_check import hint_for_unknown, without_empty_sections
from devserver.core.errors import DevServerError
from devserver.core.yaml_text import YamlDocument, read_yaml

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
    hint = f"correct {MAIN_FILE}"
    try:
        text = (root / MAIN_FILE).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return HostSettings()
    except UnicodeDecodeError:
        raise DevServerError(f"{MAIN_FILE} is not UTF-8", hint=hint) from None
    except OSError as error:
        raise DevServerError(f"{MAIN_FILE} cannot be read: {error.strerror}", hint=hint) from None
    document = read_yaml(text)
    for problem in document.problems:
        place = f"{MAIN_FILE}:{problem.place.line}:{problem.place.column}"
        raise DevServerError(f"{place}: {problem.message}", hint=problem.hint or hint)
    try:
        return HostSettings.model_validate(without_empty_sections(document.value, HostSettings))
    except ValidationError as error:
        raise _refusal(error.errors()[0], document, hint) from None


def _refusal(first: ErrorDetails, document: YamlDocument, hint: str) -> DevServerError:
    """What is wrong, without the value: it may be a password or a token."""
    path = first["loc"]
    key, fact = ".".join(map(str, path)), first["msg"]
    at = document.keys.get(path) or document.values.get(path)
    place = MAIN_FILE if at is None else f"{MAIN_FILE}:{at.line}:{at.column}"
    if first["type"] == "extra_forbidden":
        is_in_a_list = any(isinstance(part, int) for part in path)
        near = hint if is_in_a_list else hint_for_unknown(path, HostSettings)
        return DevServerError(f"{place}: unknown key {key}", hint=near)
    return DevServerError(f"{place}: {key or 'the file'}: {fact}", hint=hint)


def put_off(before: HostSettings, now: HostSettings) -> list[str]:
    """The keys that differ and are read when the server starts, not while it runs."""
    return [
        f"{part}.{key}"
        for part in ("server", "database", "packages", "health")
        for key in _differing(getattr(before, part), getattr(now, part))
    ] + [key for key in _differing(before, now) if key == "on_plugin_failure"]


def _differing(before: Any, now: Any) -> list[str]:
    one, other = dict(before), dict(now)
    keys = dict.fromkeys((*one, *other))
    return [str(key) for key in keys if one.get(key) != other.get(key)]
