"""Tells once that the database is away, and once that it is back."""

from __future__ import annotations

from collections.abc import Callable

from devserver.core.errors import DatabaseUnavailable

Tell = Callable[[str, str, str | None], None]
"""Told level (info, warning, error), message and hint."""


class Contact:
    """Used by one thread."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.is_held = True
        """False from the moment on that the group could not be reached."""

    def lost(self, error: DatabaseUnavailable) -> None:
        """The group cannot be reached."""
        if self.is_held:
            self.is_held = False
            message = f"the group of instances is out of reach: {error.message}; serving goes on"
            self._tell("warning", message, error.hint)

    def regained(self) -> None:
        """The group can be reached."""
        if not self.is_held:
            self.is_held = True
            self._tell("info", "the group of instances is in reach again", None)
