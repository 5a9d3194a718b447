"""Dependencies: other plugins that are needed, and installed distributions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier

from devserver.core.diagnostics import Diagnostic
from devserver.core.names import normalise
from devserver.core.versions import specifier_of
from devserver.validation.analysis import Span
from devserver.validation.candidate import MANIFEST, Candidate, Dependency, World
from devserver.validation.distributions import REQUIREMENTS, requirements_in
from devserver.validation.entry import stated_version
from devserver.validation.findings import did_you_mean, error, warning
from devserver.validation.lookup import ROOT, Lookup
from devserver.validation.manifest_places import entry_span


class DependenciesCheck:
    """Gives the DEP codes."""

    name = "dependencies"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        """What is needed and not there, does not fit, or is not said."""
        lookup = world.lookup
        for dependency in candidate.dependencies:
            if dependency.kind == "declared":
                yield from _declared(candidate, dependency, world, lookup)
        yield from _undeclared(candidate, world)
        yield from _cycle(candidate, world)
        yield from _conflicts(candidate, world)
        yield from _requirements(candidate, world)


validator = DependenciesCheck()


def _declared(
    candidate: Candidate, dependency: Dependency, world: World, lookup: Lookup
) -> Iterator[Diagnostic]:
    name = dependency.name
    target = world.plugins.get(name)
    if target is None:
        why = world.why_absent(name)
        message = f"it depends on the plugin {name!r}, which is not there"
        if why is not None:
            message = f"it depends on a plugin that is not usable: {why}"
        hint = did_you_mean(name, world.plugins) or _hint_for_absent(name, world)
        yield _refusal(candidate, dependency, "DEP001", message, hint)
        return
    if name in world.disabled and not _imports_at_once(candidate, name):
        message = f"it depends on the plugin {target.name!r}, which is disabled"
        yield _refusal(
            candidate, dependency, "DEP003", message, f"`sysctl plugins enable {target.name}`"
        )
    if not dependency.specifier:
        return
    try:
        wanted = specifier_of(dependency.specifier)
    except InvalidSpecifier:
        message = f"{dependency.specifier!r} is no version specifier"
        hint = f'write something like "{name}>=1.2,<2"'
        yield _refusal(candidate, dependency, "DEP008", message, hint)
        return
    version = stated_version(target, lookup)
    if version is not None and not wanted.contains(version, prereleases=True):
        message = f"it needs {name}{wanted}, but {name} has version {version}"
        hint = f"change the specifier, or the version of {name!r}"
        yield _refusal(candidate, dependency, "DEP002", message, hint)


def _hint_for_absent(name: str, world: World) -> str:
    if world.environment.distributions.version(name) is not None:
        return f"{name} is an installed distribution: name it in {REQUIREMENTS}"
    return "add the plugin, or remove the dependency"


def _refusal(
    candidate: Candidate, dependency: Dependency, code: str, message: str, hint: str
) -> Diagnostic:
    span = _line(candidate, dependency)
    return error(candidate, code, message, file=dependency.file, span=span, hint=hint)


def _line(candidate: Candidate, dependency: Dependency) -> Span | None:
    """The entry of the manifest, or the written part of the line, that tells of a dependency."""
    if dependency.line is None:
        return None
    if dependency.file == candidate.manifest_file:
        content = candidate.source.files[MANIFEST].content
        return entry_span(content, "dependencies", dependency.name)
    for relative, file in candidate.source.files.items():
        if candidate.source.project_path(relative) == dependency.file:
            text = file.content.split(b"\n")[dependency.line - 1].decode(errors="replace").rstrip()
            start = len(text) - len(text.lstrip()) + 1
            return Span(dependency.line, start, dependency.line, max(len(text), start) + 1)
    return None


def _imports_at_once(candidate: Candidate, key: str) -> bool:
    """True when loading the plugin imports the other one, which the imports check judges."""
    return any(
        found.is_certain and key in _plugins_of(analysis.absolute(found.module, found.level))
        for analysis in candidate.modules.values()
        for found in analysis.imports
    )


def _plugins_of(module: str | None) -> list[str]:
    parts = (module or "").split(".")
    return parts[1:2] if parts[0] == ROOT else []


def _undeclared(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Only a plugin that says something of itself is expected to say this too."""
    declared = {d.name for d in candidate.dependencies if d.kind == "declared"}
    if not declared and candidate.manifest_file is None:
        return
    told = {candidate.key, *declared}
    for analysis in candidate.modules.values():
        for found in analysis.imports:
            for key in _plugins_of(analysis.absolute(found.module, found.level)):
                if found.type_checking or found.optional or key in told:
                    continue
                told.add(key)
                if key in world.plugins:
                    where = candidate.manifest_file or "the class attribute `dependencies`"
                    yield warning(
                        candidate,
                        "DEP004",
                        f"the plugin {key!r} is imported but not declared",
                        file=analysis.file,
                        span=found.span,
                        hint=f'add "{key}" to the dependencies in {where}',
                    )


# -- cycles and conflicts ---------------------------------------------------------------------


def _cycle(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    path = _way_back(candidate, world)
    if path is None or candidate.key != min(k for k in path if k in world.changed):
        return
    edges = [d for d in candidate.dependencies if d.name == path[1]]
    edge = min(edges, key=lambda d: d.kind != "imported")
    yield error(
        candidate,
        "DEP005",
        f"dependency cycle: {' → '.join(world.plugins[k].name for k in path)}",
        file=edge.file,
        span=_line(candidate, edge),
        hint="break the circle: move what both need into a third plugin",
    )


def _way_back(candidate: Candidate, world: World) -> list[str] | None:
    """The shortest path of dependencies from a plugin to itself."""
    came_from: dict[str, str] = {}
    pending = deque([candidate.key])
    while pending:
        key = pending.popleft()
        known = world.plugins.get(key)
        for dependency in known.dependencies if known is not None else ():
            name = dependency.name
            if name in world.disabled:
                continue  # what is out of service closes no circle
            if name == candidate.key:
                path = [key]
                while path[0] != candidate.key:
                    path.insert(0, came_from[path[0]])
                return [*path, candidate.key]
            if name not in came_from:
                came_from[name] = key
                pending.append(name)
    return None


def _conflicts(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    for name in map(normalise, candidate.manifest.conflicts):
        if name in world.plugins and world.may_run(name) and name != candidate.key:
            yield _conflict(candidate, name, f"it cannot run beside the plugin {name!r}")
    # Those under judgement tell it themselves.
    for key in filter(world.may_run, world.plugins.keys() - world.changed):
        named = world.plugins[key].manifest.conflicts
        if named and candidate.key in map(normalise, named):
            yield _conflict(candidate, key, f"the plugin {key!r} cannot run beside it")


def _conflict(candidate: Candidate, name: str, message: str) -> Diagnostic:
    hint = f"disable one of them: `sysctl plugins disable {name}`"
    file = candidate.manifest_file
    content = b"" if file is None else candidate.source.files[MANIFEST].content
    span = entry_span(content, "conflicts", name)
    return error(candidate, "DEP009", message, file=file, span=span, hint=hint)


# -- distributions ----------------------------------------------------------------------------


def _requirements(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    file = None if candidate.source.single_file else candidate.source.files.get(REQUIREMENTS)
    if file is None:
        return
    path = candidate.source.project_path(REQUIREMENTS)
    for line in requirements_in(file.content.decode("utf-8-sig", errors="replace")):
        if line.requirement is None:
            message = f"{line.text!r} is no requirement: {line.problem}"
            yield warning(candidate, "DEP008", message, file=path, span=line.span)
            continue
        distributions = world.environment.distributions
        problem = distributions.problem_with(line.requirement)
        if problem is None:
            continue
        missing = distributions.version(line.requirement.name) is None
        tell = error if missing else warning
        hint = f"`pip install -r {path}`"
        yield tell(candidate, "DEP007", problem, file=path, span=line.span, hint=hint)
