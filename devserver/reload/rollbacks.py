"""Which version a rollback goes to, and the way there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from devserver.core.errors import (
    DevServerError,
    PluginNotFound,
    PluginUnavailable,
    VersionNotFound,
)
from devserver.core.lifecycle import DesiredState
from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.keeping import Keeper
from devserver.reload.queue import ReloadQueue, Restore
from devserver.reload.versions import Restored
from devserver.runtime.project import Project
from devserver.runtime.registry import Registry
from devserver.store.sources import KeptVersion
from devserver.store.store import Store

_FLUSH = 10.0
"""Seconds that the versions which are still to be written are waited for."""


class Rollbacks:
    """Calls may come from any thread, but for that of the reloader."""

    def __init__(
        self,
        *,
        project: Project,
        registry: Registry,
        queue: ReloadQueue,
        store: Store,
        keeper: Keeper,
    ) -> None:
        self._project = project
        self._registry = registry
        self._queue = queue
        self._store = store
        self._keeper = keeper

    def versions(self, name: str) -> tuple[KeptVersion, ...]:
        """The kept versions of a plugin, the oldest first; also of one that was deleted.

        Raises PluginNotFound, DatabaseUnavailable.
        """
        return self._find(name).versions

    def serving(self, name: str) -> int | None:
        """The number of the version that serves, where it is kept."""
        known = self._find(name)
        found = [v for v in known.versions if v.digest == known.running]
        return found[-1].number if found else None

    def roll_back(self, name: str, *, to: int | None = None, write: bool = False) -> Restored:
        """Puts version `to` into service, by default the last good one before what runs, and
        with `write` on disk too; waits for what comes of it. One that was deleted comes back with
        `write` alone.

        Raises PluginNotFound, PluginUnavailable, VersionNotFound, DatabaseUnavailable.
        """
        known = self._find(name)
        key = normalise(known.name)
        chosen = choose(known.name, known.versions, known.running, to)
        if known.is_deleted:
            _refuse_unless_wanted(known, chosen.number, write=write)
        sources = self._store.sources
        source = source_of(self._project, known.name, chosen, sources.files(key, chosen.number))
        command = Restore(
            key=key,
            source=source,
            number=chosen.number,
            write=write,
            kept=sources.digests(key) if write else {},
        )
        restored: Restored = self._queue.put(command).result()
        return restored

    def _find(self, name: str) -> _Known:
        record = self._registry.view.find(name)
        store = self._store.insist()
        self._keeper.flush(_FLUSH)
        if record is None:
            return _deleted(name, store)
        generation = record.generation
        return _Known(
            name=record.name,
            versions=tuple(store.sources.versions(record.key)),
            running=None if generation is None else generation.source.digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A plugin with its kept versions. `running` is the digest of what serves."""

    name: str
    versions: tuple[KeptVersion, ...]
    running: str | None = None
    is_deleted: bool = False
    is_disabled: bool = False


def name_of_deleted(name: str, store: Store) -> tuple[str, bool]:
    """How a plugin that is no longer in plugins/ was spelled, and whether the operator disabled
    it. Raises PluginNotFound when nothing is kept of it."""
    if not store.sources.versions(name):
        raise PluginNotFound(name)
    seen = store.records.all().get(normalise(name))
    if seen is None:
        return normalise(name), False
    return seen.name, seen.status is DesiredState.INACTIVE


def _deleted(name: str, store: Store) -> _Known:
    spelt, is_disabled = name_of_deleted(name, store)
    versions = tuple(store.sources.versions(name))
    return _Known(name=spelt, versions=versions, is_deleted=True, is_disabled=is_disabled)


def _refuse_unless_wanted(known: _Known, number: int, *, write: bool) -> None:
    if not write:
        raise PluginUnavailable(
            f"plugin {known.name!r} is not in plugins/ any more",
            hint=f"with --write version {number} of it is put there, and served",
        )
    if known.is_disabled:
        raise PluginUnavailable(
            f"plugin {known.name!r} is not in plugins/ any more, and was disabled before",
            hint=f"while no server runs `sysctl plugins rollback {known.name} --write` puts it "
            "there, without serving it",
        )


def choose(
    name: str, versions: Sequence[KeptVersion], running: str | None, to: int | None
) -> KeptVersion:
    """Version `to`; without it the last one before what runs (its digest is `running`), or the
    newest where nothing runs that is known. What was put into service once more counts as what
    it was then: going back twice goes back further.

    Raises VersionNotFound.
    """
    numbers = tuple(v.number for v in versions)
    if to is not None:
        found = next((v for v in versions if v.number == to), None)
        if found is None:
            raise VersionNotFound(f"plugin {name!r} has no version {to}", versions=numbers)
        return found
    now = [v for v in versions if v.digest == running]
    end = now[-1].stands_for if now else max(numbers, default=0) + 1
    before = [v for v in versions if v.number < end and v.digest != running]
    if not before:
        raise VersionNotFound(f"plugin {name!r} has no earlier version", versions=numbers)
    return before[-1]


def source_of(
    project: Project, name: str, version: KeptVersion, files: Mapping[str, bytes]
) -> PluginSource:
    """A kept version as if it had been read from disk. Raises DevServerError for one that does
    not belong there."""
    root = project.plugins if version.single_file else project.plugins / name
    for path in files:
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or (version.single_file and "/" in path):
            raise DevServerError(f"version {version.number} of {name!r} has a file {path!r}")
    return PluginSource.of(
        name=name,
        root=root,
        base=project.root,
        files=[SourceFile.of(root / path, path, content) for path, content in files.items()],
        single_file=version.single_file,
    )
