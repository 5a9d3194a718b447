"""What all tests share: projects on disk, a running host, and a detector of what a test leaves.

- `project`: an empty project in a folder of its own, with `write` and `replace`
- `host`: starts a PluginHost on it; every one is stopped at the end
- `lasting_threads`: where a fixture that outlives a test tells its threads' names
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from devserver.assembly import PluginHost
    from devserver.runtime.project import Project

# It would hide stale bytecode, one of the faults that the tests are after.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_PATIENCE = 5.0
"""Seconds that a thread gets to end after its test."""


class ProjectFolder:
    """A project on disk. Names without a slash and an extension mean a plugin's entry file:
    `users` is plugins/users/plugin.py; all others are paths from the project root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plugins = root / "plugins"
        self.plugins.mkdir(parents=True, exist_ok=True)

    @property
    def project(self) -> Project:
        """The folder as the product knows it."""
        from devserver.runtime.project import Project

        return Project(self.root)

    def path(self, name: str) -> Path:
        """Where `write` and `replace` put what they are given for `name`."""
        is_plugin = "/" not in name and not Path(name).suffix
        return self.plugins / name / "plugin.py" if is_plugin else self.root / name

    def write(self, name: str, text: str) -> Path:
        """Writes the file in place, with its folders."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, text: str) -> Path:
        """Writes another file and renames it over the old one, as many editors save."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.replace(path)
        return path


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """An empty project."""
    return ProjectFolder(tmp_path / "project")


@pytest.fixture
def host() -> Iterator[Callable[..., PluginHost]]:
    """`host(project)` starts a PluginHost for a ProjectFolder; it does not watch files unless
    `hot_reload=True` is given: `started.changed(path)` tells it of a save."""
    from devserver.assembly import PluginHost

    started: list[PluginHost] = []

    def start(folder: ProjectFolder, *, hot_reload: bool = False) -> PluginHost:
        plugin_host = PluginHost(folder.project, hot_reload=hot_reload)
        started.append(plugin_host)
        plugin_host.start()
        return plugin_host

    yield start
    for plugin_host in reversed(started):
        plugin_host.stop()


# The second are threads that Python did not start and cannot wait for.
_lasting_threads: set[str] = {"pytest_timeout", "Dummy-"}


@pytest.fixture(scope="session")
def lasting_threads() -> set[str]:
    """Beginnings of thread names that the leak detector lets pass. A fixture of a wider scope
    than a test, such as a server for a whole session, adds those of its threads."""
    return _lasting_threads


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Fails a test after which a thread, a plugin's module, an import path or finder, or a log
    handler is there that was not before. Fixtures of wider scopes were set up earlier, so what
    belongs to them counts as there before."""
    before = _belongings()
    yield
    deadline = time.monotonic() + _PATIENCE
    left = _new(before)
    while left and time.monotonic() < deadline:
        for thread in _threads() - before["threads"]:
            thread.join(0.01)
        left = _new(before)
    if left:
        pytest.fail("the test left behind: " + "; ".join(left), pytrace=False)


def _belongings() -> dict[str, set[object]]:
    return {
        "threads": {*_threads()},
        "modules": {n for n in sys.modules if n == "plugins" or n.startswith("plugins.")},
        "sys.path": set(sys.path),
        "import finders": {_Same(finder) for finder in sys.meta_path},
        "log handlers": {_Same(h, name) for name, logger in _loggers() for h in logger.handlers},
    }


def _threads() -> set[threading.Thread]:
    lasting = tuple(_lasting_threads)
    return {t for t in threading.enumerate() if not t.name.startswith(lasting)}


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    yield "root", logging.getLogger()
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def _new(before: dict[str, set[object]]) -> list[str]:
    found = _belongings()
    return [
        f"{kind}: {', '.join(sorted(str(_shown(x)) for x in found[kind] - before[kind]))}"
        for kind in found
        if found[kind] - before[kind]
    ]


def _shown(thing: object) -> object:
    return f"{thing.name!r}" if isinstance(thing, threading.Thread) else thing


class _Same:
    """Compares by identity, whatever the object itself says of equality; pytest's own handlers,
    which come and go with a test's phases, are all the same."""

    def __init__(self, thing: object, owner: str = "") -> None:
        self._thing = thing
        own = type(thing).__module__.startswith("_pytest")
        self._key = 0 if own else id(thing)
        self._owner = owner

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return f"{self._thing!r}" + (f" of logger {self._owner}" if self._owner else "")
