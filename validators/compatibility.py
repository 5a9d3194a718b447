"""Compatibility: with this Python, with the host, and with the plugins that use this one."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier
from packaging.version import Version

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.versions import specifier_of
from devserver.validation.analysis import Import, ModuleAnalysis, Use
from devserver.validation.ancestry import lineage
from devserver.validation.calls import is_async_at, signature_at
from devserver.validation.candidate import MANIFEST, Candidate, World
from devserver.validation.deprecations import deprecated_helpers, deprecated_imports
from devserver.validation.distributions import host_version
from devserver.validation.entry import find_entry
from devserver.validation.findings import error, finding, warning
from devserver.validation.lookup import Lookup, Place, Presence
from devserver.validation.manifest_places import value_span
from devserver.validation.offers import gives_the_same
from devserver.validation.plugin_config import configuration_findings
from devserver.validation.promises import too_new_syntax
from devserver.validation.reach import loaded_modules
from devserver.validation.retired import retired_findings


class CompatibilityCheck:
    """Gives the CMP codes."""

    name = "compatibility"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        """Versions that do not fit, and what the edit breaks elsewhere."""
        python = Version(platform.python_version())
        wanted = candidate.manifest.python_version
        yield from _version(candidate, "python_version", "CMP001", wanted, "Python", python)
        wanted = candidate.manifest.host_version
        yield from _version(candidate, "host_version", "CMP002", wanted, "the host", host_version())
        yield from too_new_syntax(candidate)
        yield from deprecated_imports(candidate, world)
        yield from _deprecated_helpers(candidate, world)
        yield from configuration_findings(candidate, world)
        yield from retired_findings(candidate, world)
        yield from _misfitting_calls(candidate, world)
        comparison = _Comparison(candidate, world)
        for user in comparison.users():
            yield from comparison.broken_in(user)


validator = CompatibilityCheck()


def _version(
    candidate: Candidate,
    field: str,
    code: str,
    wanted: str | None,
    subject: str,
    version: Version | None,
) -> Iterator[Diagnostic]:
    if wanted is None:
        return
    try:
        specifier = specifier_of(wanted)
    except InvalidSpecifier:
        code, message = "CMP005", f"{field} {wanted!r} is no version specifier"
        hint: str | None = 'write something like ">=3.11"'
    else:
        if version is None or specifier.contains(version, prereleases=True):
            return
        message, hint = f"it needs {subject} {specifier}, this is {version}", None
    content = candidate.source.files[MANIFEST].content
    span = value_span(content, field) or value_span(content, "nexus_version")
    yield error(candidate, code, message, file=candidate.manifest_file, span=span, hint=hint)


def _deprecated_helpers(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    entry = find_entry(candidate, world.lookup)
    if entry.found is not None:
        line = lineage(world.lookup, *entry.found)
        yield from deprecated_helpers(candidate, world, line)


def _misfitting_calls(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Calls of other plugins' functions with arguments that these do not take."""
    lookup = world.lookup
    for analysis in candidate.modules.values():
        for use in analysis.uses:
            place = lookup.place_of(analysis, use) if use.call is not None else None
            if place is None or use.call is None:
                continue
            if lookup.candidate_of(place.module) is candidate:
                continue
            taken = signature_at(lookup, place)
            problem = None if taken is None else taken[2].problem_with(use.call)
            if problem is not None:
                message = f"{place.module}.{place.name}() {problem}"
                yield warning(candidate, "CMP004", message, file=analysis.file, span=use.span)


class _Comparison:
    """The changed plugin beside what it was, as seen by the plugins that use it. Where nothing
    runs it cannot be told whose fault it is, and it is a warning.

    Users that change in the same go are judged by their own checks.
    """

    def __init__(self, candidate: Candidate, world: World) -> None:
        self._candidate = candidate
        self._world = world
        self._after = world.lookup
        self._before = world.lookup_before if world.running else None
        self._told: set[tuple[str, str | None]] = set()

    def users(self) -> Iterator[Candidate]:
        """The plugins that a broken promise would hurt."""
        world, key = self._world, self._candidate.key
        if self._before is not None:
            running = world.running.get(key)
            if running is None or gives_the_same(running, self._candidate):
                return  # nothing that runs relies on it, or all is there
        for other_key in world.plugins.keys() - world.changed - world.disabled:
            other = world.plugins[other_key]
            if self._before is not None and other_key not in world.running:
                continue
            if any(d.name == key and d.kind == "imported" for d in other.dependencies):
                yield other

    def broken_in(self, user: Candidate) -> Iterator[Diagnostic]:
        """What one of them uses and cannot any more; of each thing the first place."""
        self._told.clear()
        for analysis in user.modules.values():
            for found in analysis.imports:
                if not found.type_checking and not found.optional:
                    yield from self._import(user, analysis, found)
            for use in analysis.uses:
                if not use.stores:
                    yield from self._use(user, analysis, use)

    def _import(
        self, user: Candidate, analysis: ModuleAnalysis, found: Import
    ) -> Iterator[Diagnostic]:
        module = analysis.absolute(found.module, found.level)
        if module is None or self._after.candidate_of(module) is not self._candidate:
            return
        severity = Severity.ERROR if found.is_certain else Severity.WARNING
        where = f"{analysis.file}:{found.span.line}"
        if self._is_gone(module, None):
            yield from self._gone(user, analysis, module, None, where, severity)
            return
        for imported in found.names:
            if imported.name != "*" and self._is_gone(module, imported.name):
                where = f"{analysis.file}:{imported.span.line}"
                yield from self._gone(user, analysis, module, imported.name, where, severity)

    def _use(self, user: Candidate, analysis: ModuleAnalysis, use: Use) -> Iterator[Diagnostic]:
        place = self._after.place_of(analysis, use)
        if place is None or self._after.candidate_of(place.module) is not self._candidate:
            return
        where = f"{analysis.file}:{use.span.line}"
        imported = analysis.absolute(use.module, use.level)
        judged = place.module == imported and place.name == use.name
        if place.name is not None and not judged and self._is_gone(place.module, place.name):
            yield from self._gone(user, analysis, place.module, place.name, where, Severity.ERROR)
        elif use.call is not None:
            yield from self._call(user, use, place, where)

    def _call(self, user: Candidate, use: Use, place: Place, where: str) -> Iterator[Diagnostic]:
        after = signature_at(self._after, place)
        if after is None or use.call is None or self._before is None:
            return
        was, now = is_async_at(self._before, place), is_async_at(self._after, place)
        if was is not None and now is not None and was != now:
            yield warning(
                self._candidate,
                "CMP007",
                f"{place.name}() is {'a coroutine' if now else 'no coroutine any more'} now; the "
                f"plugin {user.name!r} calls it in {where}",
                file=after[0].file,
                span=after[1],
                hint="change the caller in the same save: a coroutine must be awaited",
            )
        before = signature_at(self._before, place)
        problem = after[2].problem_with(use.call)
        if problem is None or before is None or before[2].problem_with(use.call) is not None:
            return
        yield warning(
            self._candidate,
            "CMP004",
            f"{place.name}() {problem} now; the plugin {user.name!r} calls it so in {where}",
            file=after[0].file,
            span=after[1],
            hint="give the new parameter a default, or change the caller in the same save",
        )

    def _is_gone(self, module: str, name: str | None) -> bool:
        now = self._presence(self._after, module, name)
        if now is not Presence.ABSENT:
            return False
        before = self._before
        return before is None or self._presence(before, module, name) is Presence.PRESENT

    @staticmethod
    def _presence(lookup: Lookup, module: str, name: str | None) -> Presence:
        return lookup.module(module) if name is None else lookup.name(module, name)

    def _gone(
        self,
        user: Candidate,
        analysis: ModuleAnalysis,
        module: str,
        name: str | None,
        where: str,
        severity: Severity,
    ) -> Iterator[Diagnostic]:
        if (module, name) in self._told:
            return
        self._told.add((module, name))
        if self._before is None or analysis.name not in loaded_modules(user, self._world):
            severity = Severity.WARNING
        gone = "is not there" if self._before is None else "is gone"
        what = f"the module {module}" if name is None else f"{module}.{name}"
        known = self._candidate.modules.get(module)
        yield finding(
            self._candidate,
            "CMP003",
            severity,
            f"{what} {gone}, but the plugin {user.name!r} uses it in {where}",
            file=known.file if known is not None else None,
            hint="keep it, or change what uses it in the same save",
        )
