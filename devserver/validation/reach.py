"""Which modules of a plugin are surely loaded with it."""

from __future__ import annotations

from collections.abc import Iterator

from devserver.validation.analysis import ModuleAnalysis
from devserver.validation.candidate import Candidate, World


def loaded_modules(candidate: Candidate, world: World) -> frozenset[str]:
    """The modules that loading the plugin, or one that imports it, executes in any case: not
    those that are imported in a function, under a condition, or as far as they are there."""
    reached: set[str] = set()
    pending = [candidate.entry_module, f"{candidate.package}.routes"]
    pending += _from_others(candidate, world)
    while pending:
        name = pending.pop()
        if name in reached or name not in candidate.module_names:
            continue
        reached.add(name)
        if name != candidate.package:
            pending.append(name.rpartition(".")[0])
        analysis = candidate.modules.get(name)
        if analysis is not None:
            pending += _imported_by(analysis)
    return frozenset(reached)


def _from_others(candidate: Candidate, world: World) -> Iterator[str]:
    for key, other in world.plugins.items():
        if other is candidate or not world.may_run(key):
            continue
        if not any(d.name == candidate.key for d in other.dependencies):
            continue
        for analysis in other.modules.values():
            yield from _imported_by(analysis)


def _imported_by(analysis: ModuleAnalysis) -> Iterator[str]:
    """What certain imports load: modules, and names that may be modules."""
    for found in analysis.imports:
        absolute = analysis.absolute(found.module, found.level)
        if absolute is None or not found.is_certain:
            continue
        yield absolute
        for imported in found.names:
            yield f"{absolute}.{imported.name}"
