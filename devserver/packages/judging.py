"""A package's plugin, validated as it would stand beside the others; never executed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from devserver.core.diagnostics import Diagnostic
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.runtime.discovery import SourceUnreadable, discover, read_source
from devserver.runtime.project import Project
from devserver.validation.analyser import Analyser
from devserver.validation.ancestry import lineage
from devserver.validation.candidate import Candidate, World
from devserver.validation.checks import built_in_validators, project_validators
from devserver.validation.entry import find_entry
from devserver.validation.lookup import Lookup
from devserver.validation.pipeline import Pipeline
from devserver.validation.twins import TWIN


def validate(project: Project, folder: Path, name: str) -> tuple[Diagnostic, ...]:
    """The findings on the plugin in `folder`, which is to become plugins/NAME; its files are
    named as they will be there."""
    key = normalise(name)
    analyser = Analyser(project.cache, deferred=True)
    try:
        source = read_source(project, folder)
    except SourceUnreadable as error:
        return (error.diagnostic,)
    if source is None:
        return ()
    known = _known(project, analyser)
    candidate = analyser.analyse(_moved(source, name, project))
    world = World(plugins={**known, key: candidate}, running=known, changed=frozenset([key]))
    found = _pipeline(project).run(world).diagnostics
    place = discover(project).get(key)
    makes_room = None if place is None else project.relative(place)
    return tuple(d for d in found if (d.code, d.file) != (TWIN, makes_room))


def validate_dependents(project: Project, name: str) -> tuple[Diagnostic, ...]:
    """The findings on the plugins that depend on one, with everything as it is on disk."""
    key = normalise(name)
    known = _known(project, Analyser(project.cache, deferred=True))
    needing = {k for k, c in known.items() if any(d.name == key for d in c.dependencies)}
    world = World(plugins=known, running={}, changed=frozenset(needing - {key}))
    return _pipeline(project).run(world).diagnostics


def is_core(project: Project, place: Path) -> bool:
    """Whether the plugin at `place` says that it always runs, as far as its source tells."""
    try:
        source = read_source(project, place)
    except SourceUnreadable:
        return False
    if source is None:
        return False
    candidate = Analyser(None).analyse(source)
    if candidate.manifest.is_core is not None:
        return candidate.manifest.is_core
    lookup = Lookup({candidate.key: candidate})
    found = find_entry(candidate, lookup).found
    known = None if found is None else lineage(lookup, *found).certain("is_core")
    return known is not None and known[1].value is True


def _pipeline(project: Project) -> Pipeline:
    own, _ = project_validators(project.validators)
    return Pipeline([*built_in_validators(), *own])


def _known(project: Project, analyser: Analyser) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {}
    for key, location in discover(project).items():
        try:
            source = read_source(project, location)
        except SourceUnreadable:
            continue
        if source is not None:
            found[key] = analyser.analyse(source)
    return found


def _moved(source: PluginSource, name: str, project: Project) -> PluginSource:
    root = project.plugins / name
    files = {p: replace(f, path=root / p) for p, f in source.files.items()}
    return replace(source, name=name, root=root, files=MappingProxyType(files))
