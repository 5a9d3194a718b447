"""What is on disk, what is known of it, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devserver.core.diagnostics import Diagnostic
from devserver.core.graph import DependencyGraph
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.runtime.configuration import Configuration
from devserver.runtime.discovery import (
    SourceUnreadable,
    discover,
    is_plugin_folder,
    read_source,
)
from devserver.runtime.generation import Generation
from devserver.runtime.project import Project
from devserver.runtime.registry import Edge
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A plugin as it was on disk at one moment: `candidate` is None when it has vanished.
    `problems` are what reading itself met; with an error among them nothing is tried."""

    key: str
    candidate: Candidate | None
    config: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()

    def is_like(self, generation: Generation | None) -> bool:
        """True when this is what runs."""
        if generation is None or self.candidate is None:
            return generation is None and self.candidate is None
        return (
            _is_same(generation.source, self.candidate.source)
            and generation.config == self.config
            and not self.problems
        )

    def same_as(self, other: Reading | None) -> bool:
        """True when the content is the same as another reading's."""
        if other is None or self.problems or other.problems:
            return False
        if self.candidate is None or other.candidate is None:
            return self.candidate is other.candidate
        return (
            _is_same(self.candidate.source, other.candidate.source) and self.config == other.config
        )


def _is_same(one: PluginSource, other: PluginSource) -> bool:
    """The same content at the same place."""
    return (one.digest, one.root, one.name) == (other.digest, other.root, other.name)


class Catalog:
    """Reads plugins, analyses them and keeps the graph of all."""

    def __init__(self, project: Project, analyser: Analyser) -> None:
        self._project = project
        self._analyser = analyser
        self._locations: dict[str, Path] = {}
        self.configuration = Configuration(project)
        self.known: dict[str, Candidate] = {}
        self.graph = DependencyGraph()

    def discover(self) -> dict[str, Path]:
        """Key → place of every plugin on disk; remembered."""
        self._locations = discover(self._project)
        return dict(self._locations)

    def on_disk(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that are there; plugins/ is listed anew only when one is not where it
        was."""
        if not all(self._is_there(key) for key in keys):
            self.discover()
        return {key for key in keys if key in self._locations}

    def _is_there(self, key: str) -> bool:
        location = self._locations.get(key)
        return location is not None and (is_plugin_folder(location) or location.is_file())

    def read(self, key: str) -> Reading:
        """The plugin as it is on disk now."""
        location = self._locations.get(key)
        try:
            source = None if location is None else read_source(self._project, location)
        except SourceUnreadable as error:
            return Reading(key=key, candidate=self.known.get(key), problems=(error.diagnostic,))
        if source is None:
            return Reading(key=key, candidate=None)
        candidate = self._analyser.analyse(source)
        config, problems = self.configuration.effective(source, candidate.manifest)
        return Reading(key=key, candidate=candidate, config=config, problems=problems)

    def put(self, key: str, candidate: Candidate | None, imported: Collection[str] = ()) -> None:
        """The plugin is now known as `candidate` (None: gone); `imported` are keys that it was
        seen to import while it was loaded."""
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
