"""Imports: everything that a plugin imports is there, found without importing it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.analysis import Import, ImportedName, ModuleAnalysis, Span, Use
from devserver.validation.candidate import Candidate, World
from devserver.validation.exports import exported_name
from devserver.validation.findings import did_you_mean, finding, warning
from devserver.validation.hints import hint_for_missing_module
from devserver.validation.lookup import ROOT, Lookup, Presence
from devserver.validation.reach import loaded_modules


class ImportsCheck:
    """Gives the IMP codes."""

    name = "imports"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        """What is missing, and what is not what it looks like."""
        lookup = world.lookup
        shadows: set[str] = set()
        for analysis in candidate.modules.values():
            yield from _Module(candidate, world, lookup, analysis, shadows).findings()


class _Module:
    """The check of one module. `shadows` are the names that were told of already."""

    def __init__(
        self,
        candidate: Candidate,
        world: World,
        lookup: Lookup,
        analysis: ModuleAnalysis,
        shadows: set[str],
    ) -> None:
        self._candidate = candidate
        self._world = world
        self._lookup = lookup
        self._analysis = analysis
        self._missing: set[str] = set()
        self._shadows = shadows

    def findings(self) -> Iterator[Diagnostic]:
        for found in self._analysis.imports:
            if not found.type_checking:
                yield from self._import(found)
            elif found.level or found.module.partition(".")[0] == ROOT:
                yield from self._import(found)  # of others there may be stubs alone
        for use in self._analysis.uses:
            if not use.stores:
                yield from self._use(use)
        yield from self._exports()

    def _import(self, found: Import) -> Iterator[Diagnostic]:
        absolute = self._analysis.absolute(found.module, found.level)
        if absolute is None:
            dots = "." * found.level
            root = "." * (self._analysis.package.count(".") + 1)
            hint = f"in {self._analysis.name}, {root} is plugins/"
            yield self._tell(
                found, "IMP006", f"{dots}{found.module} leads out of plugins/", found.span, hint
            )
        elif absolute == ROOT or absolute.startswith(f"{ROOT}."):
            yield from self._plugin_import(found, absolute)
        else:
            yield from self._outside_import(found, absolute)
            yield from self._shadow(found, absolute)

    def _exports(self) -> Iterator[Diagnostic]:
        """Names in `__all__` that the module does not have."""
        for name in self._analysis.exports or ():
            if self._lookup.name(self._analysis.name, name) is Presence.ABSENT:
                yield warning(
                    self._candidate,
                    "IMP010",
                    f"`__all__` names {name!r}, which the module does not have",
                    file=self._analysis.file,
                    span=exported_name(self._candidate, self._analysis, name),
                    hint=did_you_mean(name, self._analysis.bound) or "define it, or leave it out",
                )

    # -- outside of plugins -------------------------------------------------------------------

    def _outside_import(self, found: Import, absolute: str) -> Iterator[Diagnostic]:
        environment = self._world.environment
        presence = environment.module(absolute)
        if presence is Presence.ABSENT:
            message = f"no module named {absolute!r}"
            if found.optional:
                message = f"the optional module {absolute!r} is not there"
            hint = hint_for_missing_module(self._candidate, absolute)
            told = self._tell(found, "IMP001", message, found.span, hint)
            if told.is_error and _changes_the_path(self._candidate):
                told = replace(told, severity=Severity.WARNING)
            yield told
        elif presence is Presence.PRESENT:
            for imported in found.names:
                if imported.name == "*":
                    continue
                if environment.name(absolute, imported.name) is Presence.ABSENT:
                    near = did_you_mean(imported.name, environment.names_in(absolute))
                    message = f"{absolute} has no name {imported.name!r}"
                    yield self._tell(found, "IMP002", message, imported.span, near)

    def _shadow(self, found: Import, absolute: str) -> Iterator[Diagnostic]:
        top = absolute.partition(".")[0]
        own = f"{self._candidate.package}.{top}"
        shadowed = top in sys.stdlib_module_names and own in self._candidate.module_names
        if not shadowed or top in self._shadows:
            return
        self._shadows.add(top)
        yield warning(
            self._candidate,
            "IMP008",
            f"this is the standard library's {top!r}, not the plugin's own module of that name",
            file=self._analysis.file,
            span=found.span,
            hint=f"write `from {self._candidate.package} import {top}`, or rename the file",
        )

    # -- plugins ---------------------------------------------------------------------------------

    def _plugin_import(self, found: Import, absolute: str) -> Iterator[Diagnostic]:
        if absolute == ROOT:
            for imported in found.names:
                if imported.name != "*":
                    yield from self._plugin(found, imported.name, imported.span)
            return
        key = absolute.split(".")[1]
        unusable = list(self._plugin(found, key, found.span))
        yield from unusable
        if unusable:
            return
        if found.type_checking and self._has_stub(absolute):
            return
        if self._lookup.module(absolute) is Presence.ABSENT:
            self._missing.add(absolute)
            parent, _, last = absolute.rpartition(".")
            hint = self._unread(absolute) or did_you_mean(last, self._lookup.names_in(parent))
            message = f"plugin {self._world.plugins[key].name!r} has no module {absolute!r}"
            yield self._tell(found, "IMP004", message, found.span, hint)
            return
        for imported in found.names:
            yield from self._name(found, absolute, imported)

    def _plugin(self, found: Import, key: str, span: Span) -> Iterator[Diagnostic]:
        if key == self._candidate.key:
            return
        if key not in self._world.plugins:
            self._missing.add(f"{ROOT}.{key}")
            why = self._world.why_absent(key)
            hint = None if why else did_you_mean(key, self._world.plugins)
            yield self._tell(found, "IMP003", why or f"there is no plugin {key!r}", span, hint)
        elif key in self._world.disabled:
            name = self._world.plugins[key].name
            hint = f"`sysctl plugins enable {name}`"
            yield self._tell(found, "IMP007", f"plugin {name!r} is disabled", span, hint)

    def _name(self, found: Import, module: str, imported: ImportedName) -> Iterator[Diagnostic]:
        name = imported.name
        if found.type_checking and self._has_stub(f"{module}.{name}"):
            return
        if name == "*" or self._lookup.name(module, name) is not Presence.ABSENT:
            return
        near = did_you_mean(name, self._lookup.names_in(module))
        hint = self._unread(f"{module}.{name}") or near
        message = f"{module} has no name {name!r}"
        yield self._tell(found, "IMP005", message, imported.span, hint)

    def _unread(self, module: str) -> str | None:
        owner = self._lookup.candidate_of(module)
        return None if owner is None else owner.source.reason_unread(module)

    def _has_stub(self, module: str) -> bool:
        """True when there is a `.pyi` for a module, which tells the type checker more."""
        owner = self._lookup.candidate_of(module)
        place = "/".join(module.split(".")[2:])
        stubs = (f"{place}.pyi", f"{place}/__init__.pyi")
        return owner is not None and any(stub in owner.source.files for stub in stubs)

    def _use(self, use: Use) -> Iterator[Diagnostic]:
        place = self._lookup.place_of(self._analysis, use)
        if place is None or place.name is None:
            return
        imported = self._analysis.absolute(use.module, use.level)
        if place.module == imported and place.name == use.name:
            return  # the import itself is judged
        if f"{place.module}.{place.name}" in self._missing:
            return
        if self._lookup.name(place.module, place.name) is Presence.ABSENT:
            yield finding(
                self._candidate,
                "IMP009",
                Severity.ERROR if self._is_loaded() else Severity.WARNING,
                f"{place.module} has no attribute {place.name!r}",
                file=self._analysis.file,
                span=use.span,
                hint=did_you_mean(place.name, self._lookup.names_in(place.module)),
            )

    # -- how bad it is -----------------------------------------------------------------------------

    def _tell(
        self, found: Import, code: str, message: str, span: Span, hint: str | None
    ) -> Diagnostic:
        severity = Severity.WARNING
        if found.optional or found.type_checking:
            severity = Severity.INFO
        elif found.is_certain and self._is_loaded():
            severity = Severity.ERROR
        return finding(
            self._candidate,
            code,
            severity,
            message,
            file=self._analysis.file,
            span=span,
            hint=hint,
        )

    def _is_loaded(self) -> bool:
        """False for a module that may never run: a script, or one that is imported when needed."""
        return self._analysis.name in loaded_modules(self._candidate, self._world)


def _changes_the_path(candidate: Candidate) -> bool:
    """True when the plugin may make importable what is not yet."""
    texts = [f.content for f in candidate.source.modules().values()]
    return any(word in text for text in texts for word in (b"sys.path", b"addsitedir"))


validator = ImportsCheck()
