"""What an edit takes away from other plugins besides names: events, services, routes, a version."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier

from devserver.core.diagnostics import Diagnostic
from devserver.core.versions import specifier_of
from devserver.validation import host_use as use
from devserver.validation.analysis import Link, ModuleAnalysis, Route, Span
from devserver.validation.ancestry import Ancestry, Lineage, lineage
from devserver.validation.candidate import MANIFEST, Candidate, World
from devserver.validation.entry import find_entry, stated_version
from devserver.validation.findings import error, warning
from devserver.validation.host_use import matches
from devserver.validation.lookup import Lookup
from devserver.validation.manifest_places import value_span

_HOLES = ("{}", "<")
_NO_STATE = frozenset({"name", "version", "description", "author", "category", "is_core"}) | {
    *("logger", "config", "initialized", "active_connections"),
}
"""BasePlugin's own attributes."""


def retired_findings(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """What the running version gives and the candidate does not, where another plugin that runs
    and is not changed with it takes it."""
    before = world.running.get(candidate.key)
    if before is None or before is candidate:
        return
    yield from _topics(candidate, before, world)
    yield from _services(candidate, before, world)
    yield from _routes(candidate, before, world)
    yield from _misfitting_version(candidate, before, world)
    yield from _state(candidate, before, world)


def _others(candidate: Candidate, world: World) -> Iterator[Candidate]:
    for key, other in world.plugins.items():
        unusable = key in world.changed or key in world.disabled or key not in world.running
        if not unusable and other is not candidate:
            yield other


# -- events and services ----------------------------------------------------------------------


def _gone(candidate: Candidate, before: Candidate, kind: str) -> set[str]:
    """Names that the running version deals in, and the candidate surely not any more."""
    gone = before.use.names(kind) - candidate.use.names(kind)
    if not gone or kind in candidate.use.computed or not candidate.is_whole:
        return set()
    texts = [f.content for f in candidate.source.modules().values()]
    return {n for n in gone if not any(n.encode() in text for text in texts)}


def _topics(candidate: Candidate, before: Candidate, world: World) -> Iterator[Diagnostic]:
    gone = _gone(candidate, before, use.PUBLISHED)
    others = list(_others(candidate, world)) if gone else []
    for topic in sorted(gone):
        if any(topic in other.use.names(use.PUBLISHED) for other in others):
            continue
        for other in others:
            patterns = other.use.names(use.SUBSCRIBED)
            found = next((p for p in sorted(patterns) if matches(p, topic)), None)
            if found is not None:
                where = _where(other, use.SUBSCRIBED, found)
                message = f"the event {topic!r} is not published any more, but {where}"
                yield _told(candidate, "CMP009", message, "subscribes to it")


def _services(candidate: Candidate, before: Candidate, world: World) -> Iterator[Diagnostic]:
    gone = _gone(candidate, before, use.PROVIDED)
    others = list(_others(candidate, world)) if gone else []
    for name in sorted(gone):
        if any(name in other.use.names(use.PROVIDED) for other in others):
            continue
        for other in others:
            if name in other.use.names(use.ASKED):
                where = _where(other, use.ASKED, name)
                message = f"the service {name!r} is not registered any more, but {where}"
                yield _told(candidate, "CMP010", message, "asks for it")


def _where(other: Candidate, kind: str, name: str) -> str:
    file, span = other.use.place(kind, name)
    return f"the plugin {other.name!r}, in {file}:{span.line},"


def _told(candidate: Candidate, code: str, message: str, deed: str) -> Diagnostic:
    entry = candidate.modules.get(candidate.entry_module)
    return warning(
        candidate,
        code,
        f"{message} {deed}",
        file=None if entry is None else entry.file,
        hint="keep it, or change what uses it in the same save",
    )


# -- routes -----------------------------------------------------------------------------------


def _routes(candidate: Candidate, before: Candidate, world: World) -> Iterator[Diagnostic]:
    now = {route.path for _, route in _routes_of(candidate)}
    gone = [route for _, route in _routes_of(before) if route.path not in now]
    if not gone or not candidate.is_whole:
        return
    for other in _others(candidate, world):
        for analysis, link in _links_to(other, candidate):
            path = link.path.split("/", 2)[2]
            was = next((r for r in gone if answers(r.path, path)), None)
            if was is None or any(answers(route, path) for route in now):
                continue
            where = f"the plugin {other.name!r}, in {analysis.file}:{link.span.line},"
            message = f"the route {was.path!r} is gone, but {where}"
            yield _told(candidate, "CMP008", message, f"uses {link.path!r}")


def _routes_of(candidate: Candidate) -> Iterator[tuple[ModuleAnalysis, Route]]:
    for analysis in candidate.modules.values():
        for route in analysis.routes:
            yield analysis, route


def _links_to(other: Candidate, candidate: Candidate) -> Iterator[tuple[ModuleAnalysis, Link]]:
    for analysis in other.modules.values():
        for link in analysis.links:
            if link.path.split("/", 2)[1].replace("-", "_") == candidate.key:
                yield analysis, link


def answers(rule: str, path: str) -> bool:
    """True where a rule may answer a path below the plugin; computed parts of both fit all."""
    wanted, given = rule.strip("/").split("/"), path.strip("/").split("/")
    for index, part in enumerate(wanted):
        if part.startswith("<path:"):
            return len(given) > index
        if index >= len(given):
            return False
        computed = any(hole in text for text in (part, given[index]) for hole in _HOLES)
        if part != given[index] and not computed:
            return False
    return len(given) == len(wanted)


# -- versions ---------------------------------------------------------------------------------


def _misfitting_version(
    candidate: Candidate, before: Candidate, world: World
) -> Iterator[Diagnostic]:
    version = stated_version(candidate, world.lookup)
    old = stated_version(before, world.lookup_before)
    if version is None or old is None or version == old:
        return
    for other in _others(candidate, world):
        for dependency in other.dependencies:
            if dependency.name != candidate.key or not dependency.specifier:
                continue
            try:
                wanted = specifier_of(dependency.specifier)
            except InvalidSpecifier:
                continue  # told where it is written
            fitted = wanted.contains(old, prereleases=True)
            if fitted and not wanted.contains(version, prereleases=True):
                where = f"{dependency.file}:{dependency.line}"
                file, span = _version_place(candidate, world.lookup)
                yield error(
                    candidate,
                    "CMP006",
                    f"this is version {version}, but the plugin {other.name!r} needs "
                    f"{candidate.key}{wanted} ({where})",
                    file=file,
                    span=span,
                    hint="keep the version in its range, or change both in the same save",
                )


def _version_place(candidate: Candidate, lookup: Lookup) -> tuple[str | None, Span | None]:
    """Where the plugin says its version."""
    entry = find_entry(candidate, lookup)
    known = None if entry.found is None else lineage(lookup, *entry.found).certain("version")
    if known is not None:
        return known[0].file, known[1].span
    if candidate.manifest_file is None:
        return None, None
    return candidate.manifest_file, value_span(candidate.source.files[MANIFEST].content, "version")


# -- state ------------------------------------------------------------------------------------


def _state(candidate: Candidate, before: Candidate, world: World) -> Iterator[Diagnostic]:
    """Public attributes that instances of the running class have and new ones never get: their
    run-time values end with this edit."""
    new = _plugin_line(candidate, world.lookup)
    old = _plugin_line(before, world.lookup_before)
    if new is None or old is None or new.method("migrate_state") is not None:
        return
    gone = sorted(_stateful(old) - _known_to(new))
    if gone:
        analysis, found = new.members[0]
        names = ", ".join(repr(name) for name in gone)
        yield warning(
            candidate,
            "CMP011",
            f"{found.name} has {names} no more: what the running version keeps there ends",
            file=analysis.file,
            span=found.span,
            hint="`migrate_state(state, from_version)` can carry values over to a new name",
        )


def _plugin_line(candidate: Candidate, lookup: Lookup) -> Lineage | None:
    entry = find_entry(candidate, lookup)
    if entry.found is None:
        return None
    line = lineage(lookup, *entry.found)
    return line if line.ancestry is Ancestry.PLUGIN and line.is_plain else None


def _stateful(line: Lineage) -> set[str]:
    names = {n for _, found in line.members for n in found.assigned if not n.startswith("_")}
    return names - _NO_STATE


def _known_to(line: Lineage) -> set[str]:
    known: set[str] = set()
    for _, found in line.members:
        known |= found.assigned | {a.name for a in found.attributes}
        known |= {m.name for m in found.methods}
    return known
