"""What is kept of a project's past, while no server runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devserver.assembly.kept import open_store
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.reload.put_back import PutBack, put_back
from devserver.reload.rollbacks import choose, name_of_deleted, source_of
from devserver.runtime.discovery import SourceUnreadable, discover, read_source
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.store.address import find_address
from devserver.store.sources import GoodVersion, KeptVersion
from devserver.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """A plugin as its folder has it; `source` is None where it cannot be read, or was deleted."""

    key: str
    name: str
    source: PluginSource | None


@contextmanager
def past_of(project: Project) -> Iterator[Store | None]:
    """The store of a project, None where there is none yet: nothing is made.

    Raises DatabaseUnavailable, or DevServerError for a bad config/main.yaml.
    """
    file = find_address(project.root, read_host_settings(project.root).database).file
    if file is not None and not file.exists():
        yield None
        return
    store = open_store(project)
    try:
        yield store
    finally:
        store.close()


def outcomes(project: Project, plugin: str | None, limit: int) -> list[dict[str, Any]]:
    """As `GET /api/history`. Raises PluginNotFound, and as `past_of`."""
    with past_of(project) as store:
        found = [] if store is None else store.history.find(plugin, limit)
    if plugin is not None and not found and normalise(plugin) not in discover(project):
        raise PluginNotFound(plugin)
    return found


def find_outcome(project: Project, number: int) -> dict[str, Any] | None:
    """The outcome with this id. Raises as `past_of`."""
    with past_of(project) as store:
        return None if store is None else store.history.find_one(number)


def on_disk(project: Project, name: str) -> OnDisk:
    """Raises PluginNotFound, and as `past_of`."""
    key = normalise(name)
    location = discover(project).get(key)
    if location is None:
        with past_of(project) as store:
            if store is None:
                raise PluginNotFound(name)
            return OnDisk(key=key, name=name_of_deleted(name, store)[0], source=None)
    spelt = location.stem if location.suffix == ".py" and location.is_file() else location.name
    try:
        return OnDisk(key=key, name=spelt, source=read_source(project, location))
    except SourceUnreadable:
        return OnDisk(key=key, name=spelt, source=None)


def versions_of(project: Project, name: str) -> tuple[KeptVersion, ...]:
    """The kept versions of a plugin. Raises PluginNotFound, and as `past_of`."""
    plugin = on_disk(project, name)
    with past_of(project) as store:
        return () if store is None else tuple(store.sources.versions(plugin.key))


def roll_back_on_disk(project: Project, name: str, to: int | None) -> tuple[int, PutBack]:
    """Writes a kept version to where the plugin is, by default the last good one before what is
    there; its number, and what was done.

    Raises PluginNotFound, VersionNotFound, and as `past_of`.
    """
    plugin = on_disk(project, name)
    with past_of(project) as store:
        versions = [] if store is None else store.sources.versions(plugin.key)
        now = None if plugin.source is None else plugin.source.digest
        chosen = choose(plugin.name, versions, now, to)
        assert store is not None, "there are versions"
        files = store.sources.files(plugin.key, chosen.number)
        source = source_of(project, plugin.name, chosen, files)
        kept = store.sources.digests(plugin.key)
        done = put_back(source, plugin.source, kept=kept, backups=project.instance / "backups")
        if done.problem is None and not done.left:
            good = GoodVersion(
                source=source, version=chosen.version, generation=0, restores=chosen.number
            )
            store.sources.keep([good])
    return chosen.number, done
