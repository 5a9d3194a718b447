"""Structure: one entry, with a name and a version, whose hooks can be called."""

from __future__ import annotations

from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.core.names import normalise, problem_with
from devserver.core.versions import find_version
from devserver.validation.analysis import Class, ModuleAnalysis, Span
from devserver.validation.ancestry import Ancestry, Lineage, lineage
from devserver.validation.awaiting import misused_helpers
from devserver.validation.candidate import MANIFEST, Candidate, World
from devserver.validation.declared import declared_and_used, unknown_names
from devserver.validation.entry import Entry, find_entry
from devserver.validation.findings import error, warning
from devserver.validation.hooks import misspelt_hooks, problems_with_hooks
from devserver.validation.manifest_places import value_span
from devserver.validation.rivals import rival_services
from devserver.validation.route_conflicts import route_conflicts
from devserver.validation.twins import twin_findings

_DECLARATIONS = frozenset(
    {"dependencies", "config_dependencies", "permissions", "tags", "commands", "services"}
)
_WARNINGS = frozenset({"STR018"})


class StructureCheck:
    """Gives the STR codes. Where the source does not tell what makes the plugin, nothing is
    said about it."""

    name = "structure"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        """What the host could not work with."""
        lookup = world.lookup
        problem = problem_with(candidate.name)
        if problem is not None:
            place = f"{candidate.name}.py" if candidate.source.single_file else ""
            file = candidate.source.project_path(place)
            yield error(candidate, "STR007", problem, file=file, hint="rename it")
        yield from twin_findings(candidate)
        yield from _manifest_identity(candidate)
        entry = find_entry(candidate, lookup)
        yield from _entry(candidate, entry)
        yield from route_conflicts(candidate)
        yield from declared_and_used(candidate)
        yield from unknown_names(candidate, world)
        yield from rival_services(candidate, world)
        if entry.found is None:
            return
        line = lineage(lookup, *entry.found)
        yield from _made_by(candidate, entry, line)
        yield from _identity(candidate, line, entry.found)
        if line.ancestry is Ancestry.PLUGIN:
            for analysis, found in line.members:
                if analysis.name in candidate.modules:
                    yield from _hooks(candidate, analysis, found)
            yield from misused_helpers(candidate, line)
            yield from _shared_state(candidate, line)


validator = StructureCheck()


# -- entry ------------------------------------------------------------------------------------


def _entry(candidate: Candidate, entry: Entry) -> Iterator[Diagnostic]:
    file = entry.analysis.file if entry.analysis is not None else None
    if entry.is_missing:
        hint = "define get_plugin(), or one class that derives from devserver.sdk.BasePlugin"
        yield error(candidate, "STR001", "nothing here makes a plugin", file=file, hint=hint)
    if entry.rivals:
        names = ", ".join(sorted(found.name for _, found in entry.rivals))
        analysis, second = max(entry.rivals, key=lambda member: member[1].span.line)
        yield error(
            candidate,
            "STR002",
            f"more than one class could be the plugin: {names}",
            file=analysis.file,
            span=second.span,
            hint="define get_plugin() to say which one is meant",
        )
    if entry.factory is not None:
        problem = entry.factory.signature.problem_with_count(0)
        if problem is not None and not entry.factory.decorators:
            message = f"the host calls {entry.factory.name}(), but this {problem}"
            yield error(candidate, "STR015", message, file=file, span=entry.factory.span)


def _made_by(candidate: Candidate, entry: Entry, line: Lineage) -> Iterator[Diagnostic]:
    """Whether what the entry constructs can be constructed, and is a plugin."""
    analysis, found = line.members[0]
    if entry.factory is not None and line.ancestry is Ancestry.OTHER and line.is_plain:
        yield error(
            candidate,
            "STR001",
            f"{entry.factory.name}() makes a {found.name}, which is no BasePlugin",
            file=analysis.file,
            span=found.span,
            hint="derive it from devserver.sdk.BasePlugin",
        )
    constructor = line.method("__init__") if line.is_plain else None
    if constructor is not None and constructor[1].is_async:
        yield error(
            candidate,
            "STR009",
            "'__init__' must be a plain function, not async",
            file=constructor[0].file,
            span=constructor[1].span,
            hint="write `def` without `async`; what must be awaited belongs into initialize()",
        )
    if entry.factory is None and constructor is not None and not constructor[1].decorators:
        signature = constructor[1].signature
        problem = signature.without_first().problem_with_count(0) if signature.takes_first else None
        if problem is not None:
            yield error(
                candidate,
                "STR015",
                f"the host calls {found.name}(), but its __init__ {problem}",
                file=constructor[0].file,
                span=constructor[1].span,
                hint="give it a default, or define get_plugin() to make the plugin",
            )


# -- name and version -------------------------------------------------------------------------


def _manifest_identity(candidate: Candidate) -> Iterator[Diagnostic]:
    manifest = candidate.manifest
    if manifest.name is not None and normalise(manifest.name) != candidate.key:
        yield error(
            candidate,
            "STR006",
            f"the manifest names the plugin {manifest.name!r}, its folder {candidate.name!r}",
            file=candidate.manifest_file,
            span=_manifest_span(candidate, "name"),
            hint="give both the same name; `-` and `_` are alike",
        )
    if manifest.version is not None and find_version(manifest.version) is None:
        span = _manifest_span(candidate, "version")
        yield _no_version(candidate, manifest.version, candidate.manifest_file, span)


def _identity(
    candidate: Candidate, line: Lineage, found: tuple[ModuleAnalysis, Class]
) -> Iterator[Diagnostic]:
    for name, code in (("name", "STR003"), ("version", "STR004")):
        if getattr(candidate.manifest, name) is None and _is_surely_missing(line, name):
            analysis, cls = found
            example = candidate.key if name == "name" else "1.0.0"
            yield error(
                candidate,
                code,
                f"{cls.name} has no {name}",
                file=analysis.file,
                span=cls.span,
                hint=f'write `{name} = "{example}"` in the class, or put it into {MANIFEST}',
            )
    known = line.certain("name")
    if known is not None and known[1].value and normalise(str(known[1].value)) != candidate.key:
        yield error(
            candidate,
            "STR006",
            f"the class names the plugin {known[1].value!r}, its folder {candidate.name!r}",
            file=known[0].file,
            span=known[1].span,
            hint=f'write `name = "{candidate.key}"`, or rename the folder',
        )
    yield from _version(candidate, line)


def _version(candidate: Candidate, line: Lineage) -> Iterator[Diagnostic]:
    known = line.certain("version")
    if known is None:
        return
    analysis, attribute = known
    value = attribute.value
    if not isinstance(value, str) or (value and find_version(value) is None):
        yield _no_version(candidate, value, analysis.file, attribute.span)
        return
    stated = candidate.manifest.version
    if stated is None or find_version(stated) is None or not value:
        return
    if find_version(stated) != find_version(value):
        yield warning(
            candidate,
            "STR016",
            f"the class has version {value}, the manifest {stated}",
            file=analysis.file,
            span=attribute.span,
            hint="leave one of them out",
        )


def _no_version(
    candidate: Candidate, value: object, file: str | None, span: Span | None
) -> Diagnostic:
    hint = 'write something like "1.2.0" (PEP 440)'
    return error(candidate, "STR005", f"{value!r} is no version", file=file, span=span, hint=hint)


def _is_surely_missing(line: Lineage, name: str) -> bool:
    if line.ancestry is not Ancestry.PLUGIN or not line.is_plain:
        return False
    if line.method(name) is not None or any(name in c.assigned for _, c in line.members):
        found = line.attribute(name)
        return found is not None and found[1].literal and found[1].value in ("", None)
    found = line.attribute(name)
    return found is None or (found[1].literal and found[1].value in ("", None))


def _manifest_span(candidate: Candidate, field: str) -> Span | None:
    return value_span(candidate.source.files[MANIFEST].content, field)


# -- hooks and state --------------------------------------------------------------------------


def _hooks(candidate: Candidate, analysis: ModuleAnalysis, found: Class) -> Iterator[Diagnostic]:
    for problem in problems_with_hooks(found):
        tell = warning if problem.code in _WARNINGS else error
        yield tell(
            candidate,
            problem.code,
            problem.message,
            file=analysis.file,
            span=problem.span,
            hint=problem.hint,
        )
    texts = [f.content for f in candidate.source.modules().values()]
    for method, hook in misspelt_hooks(found, texts):
        yield warning(
            candidate,
            "STR011",
            f"{method.name!r} is called by nobody; the hook is {hook!r}",
            file=analysis.file,
            span=method.span,
            hint=f"rename it to {hook!r}, or give it a name that is further away",
        )


def _shared_state(candidate: Candidate, line: Lineage) -> Iterator[Diagnostic]:
    """Class attributes that methods change in place: every instance shares them, and no reload
    keeps them."""
    assigned = frozenset().union(*(c.assigned for _, c in line.members))
    mutated = frozenset().union(*(c.mutated for _, c in line.members))
    for analysis, found in line.members:
        for attribute in found.attributes:
            name = attribute.name
            if not attribute.mutable or name in assigned or name not in mutated:
                continue
            if name.startswith("_") or name in _DECLARATIONS:
                continue
            yield warning(
                candidate,
                "STR014",
                f"{name!r} belongs to the class, so what is put into it does not live through a "
                "reload",
                file=analysis.file,
                span=attribute.span,
                hint=f"assign it in __init__: `self.{name} = ...`",
            )
