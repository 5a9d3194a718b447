"""Builds and connects everything. Nothing but the command line and `devserver` imports it."""

from pathlib import Path

from devserver.assembly.host import PluginHost
from devserver.assembly.offline import OfflineProject, watch_project
from devserver.assembly.server import DevServer
from devserver.runtime.project import Project, find_project

__all__ = ["DevServer", "OfflineProject", "PluginHost", "open_project", "watch_project"]


def open_project(explicit: Path | None = None) -> Project:
    """The project `explicit`, or the one around the current folder. Raises ProjectNotFound."""
    return find_project(explicit=explicit)
