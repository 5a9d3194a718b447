"""Builds and connects everything. Nothing but the command line and `devserver` imports it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devserver.runtime.project import Project, find_project

if TYPE_CHECKING:
    from devserver.assembly.host import PluginHost
    from devserver.assembly.offline import OfflineProject
    from devserver.assembly.server import DevServer

__all__ = ["DevServer", "OfflineProject", "PluginHost", "open_project"]

_FILES = {"DevServer": "server", "OfflineProject": "offline", "PluginHost": "host"}


def __getattr__(name: str) -> Any:
    """Loads each part when it is asked for: a command that only reads files needs no server."""
    if name not in _FILES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)


def open_project(explicit: Path | None = None) -> Project:
    """The project `explicit`, or the one around the current folder. Raises ProjectNotFound."""
    return find_project(explicit=explicit)
