"""Permission keys and grants."""

from __future__ import annotations

from collections.abc import Iterable


def is_granted(key: str, grants: Iterable[str]) -> bool:
    """True when one of `grants` is `key` itself, `*`, or a wildcard above it (`a.*` for `a.b`)."""
    return any(
        grant in ("*", key) or (grant.endswith((".*", ":*")) and key.startswith(grant[:-1]))
        for grant in grants
    )
