"""config/main.yaml: the host's own settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from devserver.core.config_check import check_document
from devserver.core.errors import DevServerError

MAIN_FILE = "config/main.yaml"


def _grant(key: str) -> str:
    """A `*` that stands elsewhere would never match anything."""
    stem = key[:-2] if key.endswith((".*", ":*")) else key
    if key != "*" and (not stem or "*" in stem):
        raise PydanticCustomError("grant", "no grant")
    return key


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Part):
    """Where the server listens and whom it answers."""

    host: str = Field(default="127.0.0.1", description="a name or an address")
    port: int = Field(default=8080, ge=0, le=65535, description="a whole number from 0 to 65535")
    allowed_hosts: tuple[str, ...] = Field(default=(), description="a list of names")
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="a list of origins such as http://localhost:3000"
    )


class TokenSettings(_Part):
    """One token of somebody else's: the SHA-256 of it (64 hexadecimal digits), never itself."""

    name: str = Field(min_length=1, description="a name for who holds it")
    sha256: str = Field(
        pattern="^[0-9a-fA-F]{64}$",
        repr=False,
        description="the SHA-256 that `sysctl dev token` gives, 64 hexadecimal digits in quotes",
    )
    permissions: tuple[Annotated[str, AfterValidator(_grant)], ...] = Field(
        default=(), description="a list of keys such as orders.view, orders.* or *"
    )


class AuthSettings(_Part):
    """Who may do what, beside the developer."""

    tokens: tuple[TokenSettings, ...] = Field(
        default=(), repr=False, description="a list of entries with name, sha256 and permissions"
    )


class HealthSettings(_Part):
    """How often every plugin is asked for its health (0: only when somebody wants to know), and
    what an answer may take, in seconds."""

    interval: float = Field(
        default=10.0, ge=0, le=86_400, description="a number of seconds from 0 to 86400"
    )
    timeout: float = Field(
        default=2.0, gt=0, le=600, description="a number of seconds above 0 and up to 600"
    )


class PackageSettings(_Part):
    """What a ZIP package may have at most: bytes, packed and unpacked alike; files; and how many
    times larger than itself it may become."""

    max_bytes: int = Field(
        default=50_000_000, ge=1, strict=True, description="a whole number from 1"
    )
    max_files: int = Field(
        default=2_000, ge=1, le=65_534, strict=True, description="a whole number from 1 to 65534"
    )
    max_ratio: int = Field(default=100, ge=1, strict=True, description="a whole number from 1")


class HostSettings(_Part):
    """All of config/main.yaml; parts that other programs read stay unread here."""

    server: ServerSettings = ServerSettings()
    database: dict[str, Any] = Field(
        default={}, repr=False, description="a section with the key url"
    )
    auth: AuthSettings = AuthSettings()
    packages: PackageSettings = PackageSettings()
    health: HealthSettings = HealthSettings()
    validation: dict[str, Any] = Field(default={}, description="a section with the key severity")
    on_plugin_failure: Literal["continue", "abort"] = Field(
        default="continue", description="continue or abort"
    )


def read_host_settings(root: Path) -> HostSettings:
    """The host settings of a project; defaults without a file.

    Raises DevServerError that names file, line, key and what is wrong, the first of it.
    """
    try:
        text = (root / MAIN_FILE).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return HostSettings()
    except UnicodeDecodeError:
        told = f"{MAIN_FILE} is not UTF-8"
        raise DevServerError(told, hint="save the file with the encoding UTF-8") from None
    except OSError as error:
        told = f"{MAIN_FILE} cannot be read: {error.strerror}"
        raise DevServerError(told, hint="it must be a file that you may read") from None
    settings, found = check_document(text, HostSettings, MAIN_FILE)
    if settings is None:
        raise DevServerError(f"{found[0].location}: {found[0].message}", hint=found[0].hint)
    return settings


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
