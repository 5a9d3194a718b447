"""Where the database is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from devserver.core.errors import DevServerError
from devserver.core.secrets import MASK, is_secret_name

VARIABLE = "SYSCTL_DATABASE_URL"
DEFAULT_FILE = "instance/devserver.sqlite"
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_EXAMPLES = "sqlite:///instance/devserver.sqlite or postgresql://user:password@host:5432/name"


class BadAddress(DevServerError):
    """A database URL that is none, or of a database that is not supported."""


@dataclass(frozen=True, slots=True)
class Address:
    """`origin` says where the URL was read; `file` is the database file of SQLite."""

    url: URL
    origin: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    def __str__(self) -> str:
        """The URL with its password masked, as it may be shown, also one in its query."""
        url = self.url
        for name in filter(is_secret_name, url.query):
            url = url.update_query_dict({name: MASK})
        return url.render_as_string(hide_password=True).replace(quote(MASK), MASK)


def find_address(
    root: Path, configured: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Address:
    """The address that SYSCTL_DATABASE_URL gives, else `url` of the section `database` of
    config/main.yaml, else the SQLite file of the project. A relative file is one below `root`.

    Raises BadAddress.
    """
    variables = os.environ if environ is None else environ
    given = variables.get(VARIABLE) or ""
    origin = VARIABLE
    if not given:
        given, origin = configured.get("url") or "", "config/main.yaml: database.url"
    if not given:
        given, origin = f"sqlite:///{DEFAULT_FILE}", "the default"
    return Address(_parsed(given, origin, root), origin)


def _parsed(given: Any, origin: str, root: Path) -> URL:
    hint = f"write it like {_EXAMPLES}"
    if not isinstance(given, str):
        raise BadAddress(f"{origin} is no database URL", hint=hint)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise BadAddress(f"{origin} is no database URL", hint=hint) from None
    name = url.drivername.partition("+")[0]
    if name not in _DRIVERS:
        raise BadAddress(f"{origin} names {name!r}, which is not supported", hint=hint)
    url = url.set(drivername=_DRIVERS[name])
    if name != "sqlite":
        return url
    if not url.database or url.database == ":memory:":
        raise BadAddress(f"{origin} names no file, and memory keeps nothing", hint=hint)
    if url.database.startswith("file:"):
        raise BadAddress(f"{origin} names a file by a URI, which is not supported", hint=hint)
    return url.set(database=str(root / url.database))
