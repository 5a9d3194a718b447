"""Lets `importlib.resources` find the files of a plugin's packages."""

from __future__ import annotations

from importlib.resources.abc import TraversableResources
from pathlib import Path


class PackageFiles(TraversableResources):
    """The files below one folder, as they are on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> Path:
        return self._folder
