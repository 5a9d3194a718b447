"""What can be told of a project from its files alone."""

from __future__ import annotations

import time
from collections.abc import Collection

from devserver.core.config_layers import LayeredConfig
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.reload.catalog import Catalog
from devserver.runtime.project import Project
from devserver.runtime.registry import Edge
from devserver.runtime.settings_file import read_settings
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate, ValidationReport, World
from devserver.validation.checks import built_in_validators, project_validators
from devserver.validation.fixes import Fixed, Fixer
from devserver.validation.pipeline import Pipeline
from devserver.validation.unused import UnusedImports


class OfflineProject:
    """A project without a running server: what can be told from its files alone."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._analyser = Analyser(project.cache, deferred=True)
        self._catalog = Catalog(project, self._analyser)
        self._of_files: tuple[Diagnostic, ...] = ()
        self._of_plugins: dict[str, tuple[Diagnostic, ...]] = {}
        self._load_checks()

    def candidates(self) -> dict[str, Candidate]:
        """Every plugin by key, as it is on disk now."""
        self._read()
        return dict(self._catalog.known)

    def edges(self) -> tuple[Edge, ...]:
        """Who depends on whom."""
        self._read()
        return self._catalog.edges()

    def configuration(self, key: str) -> LayeredConfig:
        """What the files configure a plugin with that `candidates` has."""
        candidate = self._catalog.known[key]
        config, _ = self._catalog.configuration.effective(candidate.source, candidate.manifest)
        return config

    @property
    def codes(self) -> dict[str, str]:
        """Every code that validation may give, the project's own with it, and its meaning."""
        return self._pipeline.codes

    def validate(self, names: Collection[str] | None = None) -> ValidationReport:
        """Reads the disk anew and validates `names` (None: all). Raises PluginNotFound."""
        begun = time.perf_counter()
        self._read()
        return self._judged(self._wanted(names), begun)

    def validate_known(self, keys: Collection[str]) -> ValidationReport:
        """Validates plugins as they were read last."""
        return self._judged(frozenset(keys), time.perf_counter())

    def update(self, keys: Collection[str], *, shared: bool = False) -> frozenset[str]:
        """Reads those of `keys` anew, and with `shared` also the project's own checks and its
        configuration with everything that it may concern. Gives the keys that are there."""
        if shared:
            self._load_checks()
            self._read()
            return frozenset(self._catalog.known)
        found = self._catalog.discover()
        for key in {*keys, *(set(found) ^ set(self._catalog.known))}:
            self._read_plugin(key, key in found)
        self._analyser.flush()
        return frozenset(self._catalog.known)

    def fixes(self, names: Collection[str] | None = None) -> tuple[Fixed, ...]:
        """What can be corrected without asking, of plugins as they are on disk; nothing is
        written. Raises PluginNotFound."""
        self._read()
        wanted = self._wanted(names)
        fixer = Fixer(analyser=self._analyser, pipeline=self._pipeline, dependents=self.dependents)
        plugins, found = dict(self._catalog.known), []
        for key in sorted(wanted):
            fixed = fixer.fix(key, plugins)
            plugins[key] = fixed.candidate
            found.append(fixed)
        return tuple(found)

    def _wanted(self, names: Collection[str] | None) -> frozenset[str]:
        known = self._catalog.known
        wanted = set(known) if names is None else {normalise(n) for n in names}
        for name in sorted(wanted - set(known)):
            raise PluginNotFound(name)
        return frozenset(wanted)

    def _judged(self, keys: frozenset[str], begun: float) -> ValidationReport:
        report = self._pipeline.run(
            World(
                plugins=self._catalog.known,
                running={},
                changed=keys,
                unreadable=self._catalog.unreadable,
            )
        )
        of_plugins = (d for key in sorted(self._of_plugins) for d in self._of_plugins[key])
        return ValidationReport(
            diagnostics=(*self.problems, *self._of_files, *of_plugins, *report.diagnostics),
            ms=(time.perf_counter() - begun) * 1000,
        )

    def dependents(self, names: Collection[str]) -> frozenset[str]:
        """Keys of all that depend on `names`, however far."""
        return self._catalog.graph.all_dependents({normalise(n) for n in names})

    def _load_checks(self) -> None:
        own, problems = project_validators(self.project.validators)
        self.problems = tuple(problems)
        self._pipeline = Pipeline(
            [*built_in_validators(), UnusedImports(), *own], bad_settings=Severity.ERROR
        )

    def _read(self) -> None:
        settings = read_settings(self.project.root)[1]
        self._of_files = (*self._catalog.configuration.read(), *settings)
        found = self._catalog.discover()
        for key in {*found, *self._catalog.known}:
            self._read_plugin(key, key in found)
        self._analyser.flush()

    def _read_plugin(self, key: str, is_there: bool) -> None:
        self._of_plugins.pop(key, None)
        if not is_there:
            self._catalog.put(key, None)
            return
        reading = self._catalog.read(key)
        if reading.problems:
            self._of_plugins[key] = reading.problems
        self._catalog.put(key, reading.candidate)
