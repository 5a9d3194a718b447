"""A hot-reload dev server for plugins.

from devserver import create_app
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devserver.assembly.embedded import EmbeddedApp, create_app
    from devserver.core.lifecycle import PluginStatus

__version__ = "0.1.0"
__all__ = ["EmbeddedApp", "PluginStatus", "__version__", "create_app"]

_PLACES = {
    "EmbeddedApp": "devserver.assembly.embedded",
    "PluginStatus": "devserver.core.lifecycle",
    "create_app": "devserver.assembly.embedded",
}


def __getattr__(name: str) -> Any:
    """Loads each when it is asked for: a plugin needs the sdk alone."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)
