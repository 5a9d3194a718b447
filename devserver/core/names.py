"""Plugin names: one plugin, two spellings (`my-plugin` is `my_plugin`)."""

from __future__ import annotations

import keyword
import re

RESERVED = frozenset({"api", "admin", "plugins", "docs", "static", "metrics", "openapi"})
_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")

EVERY = "*"
"""Stands for all plugins where the name of one is asked for."""
_LONGEST = 200
"""Folders and files are called so, with endings, where 255 bytes are the limit."""


def normalise(name: str) -> str:
    """The spelling that names are compared by and imported with: `-` becomes `_`."""
    return name.replace("-", "_")


def problem_with(name: str) -> str | None:
    """Why `name` cannot be a plugin's name, or None when it can."""
    if not _VALID.match(name):
        return "a plugin's name starts with a letter and has letters, digits, '_' and '-' only"
    if len(name) > _LONGEST:
        return f"a plugin's name has {_LONGEST} characters at most"
    if normalise(name).lower() in RESERVED:
        return f"the name {name!r} is reserved for the server's own paths"
    if keyword.iskeyword(normalise(name)):
        return f"{name!r} is a Python keyword and cannot be imported"
    return None
