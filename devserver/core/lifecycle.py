"""The states of a plugin and of its operator's wish."""

from __future__ import annotations

from enum import StrEnum


class PluginStatus(StrEnum):
    """What a plugin is doing now; true while it serves, so `if status:` asks for that.

    ENABLED is another name of ACTIVE.
    """

    REGISTERED = "registered"
    LOADING = "loading"
    ACTIVE = "active"
    ENABLED = "active"
    RELOADING = "reloading"
    UNLOADING = "unloading"
    FAILED = "failed"
    DISABLED = "disabled"

    @property
    def serves(self) -> bool:
        """True while a generation answers requests."""
        return self in (PluginStatus.ACTIVE, PluginStatus.RELOADING)

    def __bool__(self) -> bool:
        return self.serves


class DesiredState(StrEnum):
    """The operator's word; nothing automatic overrides it."""

    ACTIVE = "active"
    INACTIVE = "inactive"
