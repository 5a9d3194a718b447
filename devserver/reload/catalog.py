"""What is on disk, what is known of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devserver.core.config_layers import LayeredConfig, with_overrides
from devserver.core.diagnostics import Diagnostic
from devserver.core.graph import DependencyGraph
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.runtime.configuration import Configuration
from devserver.runtime.discovery import (
    SourceUnreadable,
    discover,
    is_plugin,
    plugin_of,
    read_source,
)
from devserver.runtime.generation import Generation
from devserver.runtime.project import Project
from devserver.runtime.registry import Edge
from devserver.runtime.values import parsed_changes
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate
from devserver.validation.twins import twins_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A plugin as it was on disk at one moment: `candidate` is None when it has vanished.
    `changes` are overrides that are to be kept with it, as JSON text, or taken out (None).
    `problems` are what reading itself met; with an error among them nothing is tried. With `anew`
    nothing of the state of what runs goes on."""

    key: str
    candidate: Candidate | None
    config: LayeredConfig = field(default_factory=LayeredConfig)
    changes: Mapping[str, str | None] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
    anew: bool = False

    @property
    def name(self) -> str:
        """As the folder spells it, where that is known."""
        if self.candidate is not None:
            return self.candidate.name
        told = (d.plugin for d in self.problems if d.plugin is not None)
        return next((name for name in told if normalise(name) == self.key), self.key)

    def effective(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """What it would be configured with, where `overrides` are in force."""
        return with_overrides(self.config, overrides, parsed_changes(self.changes))

    def is_like(self, generation: Generation | None) -> bool:
        """True when this is what runs."""
        if generation is None or self.candidate is None:
            return generation is None and self.candidate is None
        return (
            generation.source.is_same(self.candidate.source)
            and generation.config == self.config
            and not self.problems
        )

    def same_as(self, other: Reading | None) -> bool:
        """True when the content is the same as another reading's."""
        if other is None or self.problems or other.problems:
            return False
        if self.candidate is None or other.candidate is None:
            return self.candidate is other.candidate
        return self.candidate.source.is_same(other.candidate.source) and self.config == other.config


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a plugin stands that is not in plugins/, and what it is called."""

    name: str
    location: Path


class Catalog:
    """Reads plugins, analyses them and keeps the graph of all."""

    def __init__(self, project: Project, analyser: Analyser) -> None:
        self.project = project
        self._analyser = analyser
        self._locations: dict[str, Path] = {}
        self.outside: dict[str, Place] = {}
        """Plugins that are not read from plugins/, by key."""
        self.configuration = Configuration(project)
        self.known: dict[str, Candidate] = {}
        self.unreadable: dict[str, Diagnostic] = {}
        """What reading a plugin met the last time, by key."""
        self.graph = DependencyGraph()
        self._listed: dict[str, frozenset[str]] = {}
        self.on_listed: Callable[[], None] = lambda: None
        """Called when `listed` may have changed."""
        self.stand_in: Callable[[PluginSource], PluginSource] = lambda source: source
        """Gives what is to be live for what is on disk: itself, but for a plugin that was rolled
        back and not saved since."""

    def discover(self) -> dict[str, Path]:
        """Key → place of every plugin on disk; remembered. One that stands elsewhere is looked
        for in plugins/ again while nothing is there."""
        found = discover(self.project)
        outside = {
            k: p.location
            for k, p in self.outside.items()
            if k not in found or is_plugin(p.location)
        }
        self._locations = {**found, **outside}
        return dict(self._locations)

    def stand(self, key: str, place: Place | None) -> None:
        """The plugin stands at `place` from now on, in plugins/ with None."""
        self.outside.pop(key, None)
        if place is not None:
            self.outside[key] = place
        self.discover()

    def key_of(self, path: Path) -> str | None:
        """The key of the plugin that a file belongs to, or None."""
        for key, place in self.outside.items():
            if path.is_relative_to(place.location):
                return key
        return plugin_of(self.project, path)

    def on_disk(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that are there; plugins/ is listed anew only when one is not where it
        was, or may be at two places."""
        if not all(self._is_there(key) for key in keys):
            self.discover()
        return {key for key in keys if key in self._locations}

    def _is_there(self, key: str) -> bool:
        location = self._locations.get(key)
        return location is not None and is_plugin(location) and not twins_of(location)

    def read(self, key: str) -> Reading:
        """The plugin as it is on disk now."""
        location = self._locations.get(key)
        self.unreadable.pop(key, None)
        try:
            source = None if location is None else self._source(key, location)
        except SourceUnreadable as error:
            self.unreadable[key] = error.diagnostic
            return Reading(key=key, candidate=self.known.get(key), problems=(error.diagnostic,))
        if source is None:
            return Reading(key=key, candidate=None)
        return self.reading_of(key, self.stand_in(source))

    def reading_of(self, key: str, source: PluginSource) -> Reading:
        """The reading of a source, wherever that comes from."""
        candidate = self._analyser.analyse(source)
        config, problems = self.configuration.effective(
            source, candidate.manifest, candidate.config_dependencies
        )
        return Reading(key=key, candidate=candidate, config=config, problems=problems)

    def find_on_disk(self, key: str) -> PluginSource | None:
        """The source as it is on disk now; None when it has vanished or cannot be read."""
        location = self.discover().get(key)
        try:
            return None if location is None else self._source(key, location)
        except SourceUnreadable:
            return None

    def _source(self, key: str, location: Path) -> PluginSource | None:
        source, place = read_source(self.project, location), self.outside.get(key)
        if source is None or place is None or place.location != location:
            return source
        return source.called(place.name)

    def has_same_code(self, reading: Reading, generation: Generation) -> bool:
        """True when the reading differs from what runs in nothing but configuration."""
        if reading.candidate is None or reading.problems:
            return False
        return self._code_of(reading.candidate.source) == self._code_of(generation.source)

    def _code_of(self, source: PluginSource) -> tuple[object, ...]:
        kept = {
            name: file.digest
            for name, file in source.files.items()
            if source.single_file or not self.configuration.is_layer(name)
        }
        return source.name, source.root, source.unread, kept

    def made_of(self, paths: Collection[str]) -> set[str]:
        """Keys of the plugins that are known to be configured with one of these files of the
        project too."""
        return {key for key, files in self._listed.items() if not files.isdisjoint(paths)}

    def _list(self, key: str, files: frozenset[str]) -> None:
        if files == self._listed.get(key, frozenset()):
            return
        self._listed[key] = files
        self.on_listed()

    @property
    def listed(self) -> frozenset[str]:
        """Files of the project that plugins are configured with besides their layers."""
        return frozenset().union(*self._listed.values())

    def put(self, key: str, candidate: Candidate | None, imported: Collection[str] = ()) -> None:
        """The plugin is now known as `candidate` (None: gone); `imported` are keys that it was
        seen to import while it was loaded."""
        self._list(key, frozenset() if candidate is None else candidate.config_dependencies)
        if candidate is None:
            self.known.pop(key, None)
            self.graph.take_out(key)
            return
        self.known[key] = candidate
        self.graph.put(key, dependencies_of(candidate, imported))

    def edges(self) -> tuple[Edge, ...]:
        """The graph as the view shows it, without plugins that nobody knows."""
        return tuple(
            Edge(source=dependent, target=dependency, kind=kind)
            for dependent, dependency, kind in self.graph.edges()
            if dependent in self.known
        )


def dependencies_of(candidate: Candidate, imported: Collection[str] = ()) -> dict[str, str]:
    """Key → kind of what a candidate depends on."""
    kinds: dict[str, set[str]] = {}
    for dependency in candidate.dependencies:
        kinds.setdefault(normalise(dependency.name), set()).add(dependency.kind)
    for key in imported:
        kinds.setdefault(key, set()).add("imported")
    return {key: "+".join(sorted(found)) for key, found in sorted(kinds.items())}
