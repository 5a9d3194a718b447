"""What can be told of a project from its files alone."""

from __future__ import annotations

import time
from collections.abc import Collection

from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.reload.catalog import Catalog
from devserver.runtime.project import Project
from devserver.runtime.registry import Edge
from devserver.runtime.settings_file import read_settings
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate, ValidationReport, World
from devserver.validation.checks import built_in_validators, project_validators
from devserver.validation.pipeline import Pipeline


class OfflineProject:
    """A project without a running server: what can be told from its files alone."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._catalog = Catalog(project, Analyser(project.cache))
        own, problems = project_validators(project.validators)
        self.problems = tuple(problems)
        self._pipeline = Pipeline([*built_in_validators(), *own])

    def candidates(self) -> dict[str, Candidate]:
        """Every plugin by key, as it is on disk now."""
        self._read()
        return dict(self._catalog.known)

    def edges(self) -> tuple[Edge, ...]:
        """Who depends on whom."""
        self._read()
        return self._catalog.edges()

    def validate(self, names: Collection[str] | None = None) -> ValidationReport:
        """Reads the disk anew and validates `names` (None: all). Raises PluginNotFound."""
        begun = time.perf_counter()
        problems = self._read()
        known = self._catalog.known
        wanted = set(known) if names is None else {normalise(n) for n in names}
        for name in sorted(wanted - set(known)):
            raise PluginNotFound(name)
        world = World(plugins=known, running={}, changed=frozenset(wanted))
        report = self._pipeline.run(world)
        return ValidationReport(
            diagnostics=(*self.problems, *problems, *report.diagnostics),
            ms=(time.perf_counter() - begun) * 1000,
        )

    def dependents(self, names: Collection[str]) -> frozenset[str]:
        """Keys of all that depend on `names`, however far."""
        return self._catalog.graph.all_dependents({normalise(n) for n in names})

    def _read(self) -> tuple[Diagnostic, ...]:
        problems = list(self._catalog.configuration.read())
        problems += read_settings(self.project.root)[1]
        found = self._catalog.discover()
        for key in set(self._catalog.known) - set(found):
            self._catalog.put(key, None)
        for key in found:
            reading = self._catalog.read(key)
            problems += reading.problems
            self._catalog.put(key, reading.candidate)
        return tuple(problems)
