"""Uses of what is marked `@deprecated("...")`: in the SDK, in libraries and in other plugins."""

from __future__ import annotations

from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.validation.analysis import Import, ImportedName, ModuleAnalysis, Span
from devserver.validation.ancestry import Lineage
from devserver.validation.candidate import Candidate, World
from devserver.validation.findings import warning
from devserver.validation.lookup import ROOT, Lookup

_BASE = ("devserver.sdk.plugin", "BasePlugin")


def deprecated_imports(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Imported names, each where it is imported."""
    lookup = world.lookup
    for analysis in candidate.modules.values():
        for found in analysis.imports:
            absolute = analysis.absolute(found.module, found.level)
            if absolute is None or found.type_checking:
                continue
            for imported in found.names:
                said = _said(world, lookup, analysis, absolute, found, imported)
                if said is not None:
                    name = f"{absolute}.{imported.name}"
                    yield _told(candidate, analysis.file, imported.span, name, said)


def _said(
    world: World,
    lookup: Lookup,
    analysis: ModuleAnalysis,
    absolute: str,
    found: Import,
    imported: ImportedName,
) -> str | None:
    if absolute.partition(".")[0] != ROOT:
        return world.environment.deprecation(absolute, imported.name)
    other = lookup.analysis_of(absolute)
    if found.level and lookup.candidate_of(absolute) is lookup.candidate_of(analysis.name):
        return None  # within the plugin its author knows
    definition = None if other is None else lookup.find(other, imported.name).definition
    return None if definition is None else definition.deprecated


def deprecated_helpers(candidate: Candidate, world: World, line: Lineage) -> Iterator[Diagnostic]:
    """Calls of deprecated methods of BasePlugin, and overrides of deprecated hooks."""
    deprecated = world.environment.deprecated_methods(*_BASE)
    if not deprecated:
        return
    for analysis, found in line.members:
        if analysis.name not in candidate.modules:
            continue
        for call in found.calls:
            if call.name in deprecated and line.method(call.name) is None:
                name, said = f"self.{call.name}()", deprecated[call.name]
                yield _told(candidate, analysis.file, call.span, name, said)
        for method in found.methods:
            if method.name in deprecated:
                name, said = f"the hook {method.name!r}", deprecated[method.name]
                yield _told(candidate, analysis.file, method.span, name, said)


def _told(candidate: Candidate, file: str, span: Span, name: str, said: str) -> Diagnostic:
    message = f"{name} is deprecated" + (f": {said}" if said else "")
    return warning(candidate, "CMP013", message, file=file, span=span, hint="use what replaces it")
