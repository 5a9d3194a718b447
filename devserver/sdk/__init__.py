"""All that a plugin imports.

from devserver.sdk import BasePlugin, HealthStatus, Permission, Router, requires_permission
"""

from devserver.sdk.context import Event, PluginContext
from devserver.sdk.health import HealthStatus
from devserver.sdk.permissions import Permission, requires_permission
from devserver.sdk.plugin import BasePlugin, Plugin
from devserver.sdk.routing import Router

__all__ = [
    "BasePlugin",
    "Event",
    "HealthStatus",
    "Permission",
    "Plugin",
    "PluginContext",
    "Router",
    "requires_permission",
]
