"""Secrets in files that are committed."""

from __future__ import annotations

import re

from devserver.core.secrets import MASK

_NAMED = re.compile(
    r"(?:.*[_-])?(?:password|passwd|secret|token|api_?key|private_?key|access_?key|credentials)\Z",
    re.IGNORECASE,
)


def is_named_like_a_secret(key: str) -> bool:
    """True for `smtp_password`, `api_key` and the like."""
    return _NAMED.match(key) is not None


def masked(line: str, column: int) -> str:
    """A line with what begins at a column (from 1) left out, to its end: the value may go on."""
    return line[: column - 1] + MASK
