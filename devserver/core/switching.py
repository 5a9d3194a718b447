"""What stands against taking a plugin out of service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devserver.core.errors import SwitchRefused


def refuse_if_needed(
    name: str, deed: str, *, needing: Sequence[str], cores: Iterable[str], force: bool
) -> None:
    """Raises SwitchRefused where the plugin `name` must not be `deed` (disabled, unloaded): plugins
    that need it would have to go along, which is asked for with `force`, or a core plugin would,
    which never is. `needing` are those that need it, `cores` the core plugins among it and them."""
    reasons = [f"{core!r} is a core plugin" for core in cores]
    hint = "a core plugin always runs" if reasons else "with --force they go along"
    if needing and not force:
        reasons.append(f"{', '.join(needing)} need{'s' if len(needing) == 1 else ''} it")
    if reasons:
        raise SwitchRefused(
            f"plugin {name!r} was not {deed}: {'; '.join(reasons)}",
            hint=hint,
            reasons=tuple(reasons),
        )
