"""Plugins that were rolled back: an earlier version serves while the disk has another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.reload.recorder import Recorder
from devserver.runtime.generation import Generation
from devserver.runtime.system import PluginSystem
from devserver.store.sources import GoodVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Version `number`, which is `source`, stands for `disk`, what was on disk when it was put
    into service. `is_behind` is False where the disk has that version, but for other files."""

    number: int
    source: PluginSource
    disk: PluginSource | None
    is_behind: bool = True

    @property
    def reason(self) -> str:
        place = "what is on disk is newer" if self.is_behind else "it is on disk too"
        return f"version {self.number} serves; {place}"


class Held:
    """What stands for what is on disk, until that changes; a start loads what is on disk.

    `keep` is given every version that proved good. Changed by the thread of the reloader alone.
    """

    def __init__(
        self,
        *,
        system: PluginSystem,
        recorder: Recorder,
        keep: Callable[[Sequence[GoodVersion]], None],
    ) -> None:
        self._system = system
        self._recorder = recorder
        self._keep = keep
        self._coming: dict[str, Hold] = {}
        self._holds: dict[str, Hold] = {}

    def prepare(self, key: str, hold: Hold) -> None:
        """From when the version goes live it stands for what is on disk."""
        self._coming[key] = hold

    def give_up(self, key: str) -> None:
        """It is not going live."""
        self._coming.pop(key, None)

    def settle(self, key: str, disk: PluginSource | None) -> None:
        """The version has been written to disk, which now is `disk`."""
        hold = self.find(key)
        if hold is None:
            return
        if disk is not None and disk.digest == hold.source.digest:
            del self._holds[key]
        else:  # with files of somebody else's, which are none of its versions
            self._holds[key] = replace(hold, disk=disk, is_behind=False)
        self._tell(key, replace(hold, is_behind=False))

    def end(self, keys: Iterable[str]) -> None:
        """What is on disk is asked for."""
        for key in keys:
            self._holds.pop(key, None)

    def find(self, key: str) -> Hold | None:
        """The hold of a plugin, as long as its version is what runs."""
        hold = self._holds.get(key)
        if hold is None:
            return None
        generation = self._system.registry.view.generation(key)
        return hold if generation is not None and _is_of(hold, generation) else None

    def behind(self) -> frozenset[str]:
        """The keys of plugins whose disk has something newer than what serves."""
        found = {key: self.find(key) for key in tuple(self._holds)}
        return frozenset(k for k, hold in found.items() if hold is not None and hold.is_behind)

    def stand_in(self, source: PluginSource) -> PluginSource:
        """What is to be live for `source`, which is on disk: itself, or the version that stands
        for it."""
        key = normalise(source.name)
        hold = self.find(key)
        if hold is None:
            self._holds.pop(key, None)
            return source
        disk = hold.disk
        if disk is not None and (disk.digest, disk.root) == (source.digest, source.root):
            return hold.source
        self._release(key)
        return source

    def went_live(self, generations: Iterable[Generation], *, good: bool = True) -> None:
        """New generations serve; `good` ones, which are not on probation, are kept."""
        generations = tuple(generations)
        for generation in generations:
            key = generation.key
            hold = self._coming.pop(key, None) or self._holds.get(key)
            if hold is not None and _is_of(hold, generation):
                self._holds[key] = hold
                self._tell(key, hold)
            else:
                self._holds.pop(key, None)
        if good:
            self.proved_good(generations)

    def proved_good(self, generations: Iterable[Generation]) -> None:
        """They are kept. May come from any thread, also when something newer serves already."""
        self._keep([_version_of(g, self._holds.get(g.key)) for g in generations])

    def _tell(self, key: str, hold: Hold) -> None:
        record = self._system.registry.view.plugins[key]
        self._recorder.publish(replace(record, reason=hold.reason, pending=hold.is_behind))

    def _release(self, key: str) -> None:
        """Something else was saved, which is judged now."""
        del self._holds[key]
        record = self._system.registry.view.plugins[key]
        self._recorder.publish(replace(record, reason="active", pending=False))


def _is_of(hold: Hold, generation: Generation) -> bool:
    return generation.source.digest == hold.source.digest


def _version_of(generation: Generation, hold: Hold | None) -> GoodVersion:
    return GoodVersion(
        source=generation.source,
        version=generation.version,
        generation=generation.number,
        restores=hold.number if hold is not None and _is_of(hold, generation) else None,
    )
