"""The interpreter, what is installed, and what the system gives."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from packaging.requirements import Requirement

from devserver.cli.findings import Finding, error, ok, warning
from devserver.core.settings import WatchSettings
from devserver.reload import inotify
from devserver.reload.filesystems import mount_without_events
from devserver.reload.notify import NAME, FileEvents
from devserver.reload.tree import Tree
from devserver.runtime.project import Project

DISTRIBUTION = "sysctl-devserver"
LEAST_PYTHON = (3, 11)
_NEEDED = 100_000_000  # bytes of disk
_RAISE = "sudo sysctl -w fs.inotify.{name}={value}"


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    """The interpreter's version."""
    told = f"{'.'.join(map(str, version))} ({sys.executable})"
    if version[:2] < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        yield error("python", told, f"Python {least} or newer is needed: make a new venv with it")
    else:
        yield ok("python", f"{told} on {platform.system()} {platform.release()}")


def packages() -> Iterator[Finding]:
    """What the product needs of other packages, and what is installed."""
    try:
        needed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield warning(
            "packages",
            f"{DISTRIBUTION} is not installed: what it needs cannot be looked up",
            "pip install -e . in its folder, or pip install sysctl-devserver",
        )
        return
    requirements = [Requirement(text) for text in needed]
    wrong = [found for one in requirements if (found := _problem(one)) is not None]
    yield from wrong
    if not wrong:
        version = metadata.version(DISTRIBUTION)
        yield ok("packages", f"{DISTRIBUTION} {version} and all that it needs")


def _problem(needed: Requirement) -> Finding | None:
    """What is optional may be missing, but not be of a version that does not fit."""
    optional = needed.marker is not None and not needed.marker.evaluate({"extra": ""})
    install = f"pip install '{needed.name}{needed.specifier}'"
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return None if optional else error("packages", f"{needed.name} is missing", install)
    if needed.specifier.contains(version, prereleases=True):
        return None
    told = f"{needed.name} {version} does not fit: {needed.specifier} is needed"
    return (warning if optional else error)("packages", told, install)


def bytecode(environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether Python may keep what it compiles."""
    if environ.get("PYTHONDONTWRITEBYTECODE"):
        yield warning(
            "bytecode",
            "PYTHONDONTWRITEBYTECODE is set: every start compiles all packages anew, and stale "
            "bytecode in tests of yours stays hidden",
            "unset PYTHONDONTWRITEBYTECODE",
        )
    else:
        yield ok("bytecode", "Python keeps compiled packages")


def disk(project: Project) -> Iterator[Finding]:
    """Room for the database, the cache and backups."""
    free = shutil.disk_usage(project.root).free
    told = f"{free / 1e9:.1f} GB free"
    if free < _NEEDED:
        yield error("disk", told, "free some space: the database and the cache need it")
    else:
        yield ok("disk", told)


def watch(project: Project, settings: WatchSettings) -> Iterator[Finding]:
    """How changes are going to be noticed, tried out where that can be."""
    tree = Tree(project.root, settings.path_filter())
    tree.take_as_known()
    folders = tree.folders
    kind = mount_without_events(folders)
    if settings.force_polling is True:
        yield warning(
            "watch",
            "changes are found by polling: watch.force_polling is true",
            "set it to auto in config/hot-loading.yaml where the file system has events",
        )
    elif kind is not None and settings.force_polling == "auto":
        yield warning(
            "watch",
            f"the file system ({kind}) gives no events: changes are found by polling, later",
            "put the project on a disk of this machine",
        )
    elif kind is not None:
        yield error(
            "watch",
            f"the file system ({kind}) gives no events, and watch.force_polling is false: "
            "saves from elsewhere go unnoticed for half a minute",
            "set watch.force_polling to auto in config/hot-loading.yaml",
        )
    else:
        yield _tried(folders)
        yield from _limits(len(folders))


def _tried(folders: frozenset[str]) -> Finding:
    try:
        FileEvents(folders, step=0.01, interrupted=lambda: False).close()
    except (OSError, RuntimeError) as problem:
        return error(
            "watch",
            f"the system gives no file events: {str(problem).partition(' about [')[0]}",
            "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances; until then the "
            "server polls",
        )
    return ok("watch", f"{NAME}, {len(folders)} folders")


def _limits(folders: int) -> Iterator[Finding]:
    """What inotify lets one user have; nothing where there is none."""
    watches, instances = inotify.limit("max_user_watches"), inotify.limit("max_user_instances")
    if watches is None or instances is None:
        return
    told = f"{watches} watches, {instances} instances for each user"
    if folders * 2 > watches:
        more = _RAISE.format(name="max_user_watches", value=max(524_288, folders * 4))
        yield warning("inotify", f"{told}: {folders} folders take more than half", more)
    elif instances < 32:
        more = _RAISE.format(name="max_user_instances", value=512)
        yield warning("inotify", f"{told}: editors and servers take one each", more)
    else:
        yield ok("inotify", told)
