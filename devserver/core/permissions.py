"""Permission keys, grants, and who holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a piece of work is done for: `name` as the configuration calls the token, "" for
    nobody known. `grants` None means everything."""

    name: str = ""
    grants: frozenset[str] | None = None

    def missing(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Those of `keys` that the caller does not hold, in order."""
        if self.grants is None:
            return ()
        return tuple(key for key in keys if not is_granted(key, self.grants))


NOBODY = Caller(grants=frozenset())
"""A caller without any credential."""


def is_granted(key: str, grants: Iterable[str]) -> bool:
    """True when one of `grants` is `key` itself, `*`, or a wildcard above it (`a.*` for `a.b`)."""
    return any(
        grant in ("*", key) or (grant.endswith((".*", ":*")) and key.startswith(grant[:-1]))
        for grant in grants
    )


def control_permission(method: str, path: str) -> str:
    """What a control call needs: `admin.plugins.view` to look, else `admin.plugins.` and the
    deed, which is the last part of the path (`.../users/reload`), `run` for commands."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return "admin.plugins.view"
    segments = [segment for segment in path.split("/") if segment]
    if segments[3:4] == ["commands"]:
        return "admin.plugins.run"
    deed = segments[-1] if segments else "manage"
    return f"admin.plugins.{deed}"
