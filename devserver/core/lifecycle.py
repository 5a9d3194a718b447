"""The states of a plugin and of its operator's wish."""

from __future__ import annotations

from enum import StrEnum


class PluginStatus(StrEnum):
    """What a plugin is doing now."""

    REGISTERED = "registered"
    LOADING = "loading"
    ACTIVE = "active"
    RELOADING = "reloading"
    UNLOADING = "unloading"
    FAILED = "failed"
    DISABLED = "disabled"

    @property
    def serves(self) -> bool:
        """True while a generation answers requests."""
        return self in (PluginStatus.ACTIVE, PluginStatus.RELOADING)


class DesiredState(StrEnum):
    """The operator's word; nothing automatic overrides it."""

    ACTIVE = "active"
    INACTIVE = "inactive"
