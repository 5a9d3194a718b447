"""What the manifest declares beside what the code does, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devserver.core.diagnostics import Diagnostic
from devserver.core.names import normalise
from devserver.validation import host_use as use
from devserver.validation.analysis import Span
from devserver.validation.candidate import MANIFEST, Candidate, World
from devserver.validation.findings import did_you_mean, warning
from devserver.validation.host_use import matches
from devserver.validation.manifest_places import value_span


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """A list of names in the manifest: what they name, where they stand, and the kinds of calls
    that make them true."""

    what: str
    path: tuple[str, ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...]


def declared_and_used(candidate: Candidate) -> Iterator[Diagnostic]:
    """Names that are declared and never used, and used ones that are missing in a list that is
    there. A plugin that declares nothing of a kind is not told of it."""
    if candidate.manifest_file is None or not candidate.is_whole:
        return
    for field in _fields(candidate):
        if field.names:
            yield from _unused(candidate, field)
            yield from _undeclared(candidate, field)


def _fields(candidate: Candidate) -> Iterator[_Field]:
    manifest = candidate.manifest
    commands = tuple(_command_name(entry) for entry in manifest.commands)
    rows = (
        ("command", ("commands",), commands, (use.COMMANDS,)),
        ("service", ("services",), manifest.services, (use.PROVIDED,)),
        ("permission", ("permissions",), manifest.permissions, (use.INTRODUCED, use.REQUIRED)),
        ("event", ("events", "publishes"), manifest.events.publishes, (use.PUBLISHED,)),
        ("event", ("events", "subscribes"), manifest.events.subscribes, (use.SUBSCRIBED,)),
    )
    for what, path, names, kinds in rows:
        yield _Field(what=what, path=path, names=tuple(names), kinds=kinds)


def _command_name(entry: object) -> str:
    name = entry.get("name") if isinstance(entry, dict) else entry
    return name if isinstance(name, str) else ""


def _unused(candidate: Candidate, field: _Field) -> Iterator[Diagnostic]:
    if candidate.use.computed.intersection(field.kinds):
        return
    used = {name for kind in field.kinds for name in candidate.use.names(kind)}
    for index, name in enumerate(field.names):
        if not name or any(matches(name, u) or matches(u, name) for u in used):
            continue
        if _is_written(candidate, name):
            continue
        yield warning(
            candidate,
            "STR023",
            f"the {field.what} {name!r} is declared, but nothing {_DEEDS[field.path[-1]]} it",
            file=candidate.manifest_file,
            span=_span(candidate, (*field.path, index)),
            hint=did_you_mean(name, used) or "remove it from the manifest",
        )


def _undeclared(candidate: Candidate, field: _Field) -> Iterator[Diagnostic]:
    kind = field.kinds[0]
    for name in sorted(candidate.use.names(kind)):
        if any(matches(declared, name) for declared in field.names):
            continue
        file, span = candidate.use.place(kind, name)
        where = ".".join(field.path)
        yield warning(
            candidate,
            "STR024",
            f"the {field.what} {name!r} is not among the manifest's {where}",
            file=file,
            span=span,
            hint=did_you_mean(name, field.names) or f'add "{name}" to {where} in {MANIFEST}',
        )


_DEEDS = {
    "commands": "registers",
    "services": "registers",
    "permissions": "introduces or requires",
    "publishes": "publishes",
    "subscribes": "subscribes to",
}


def _is_written(candidate: Candidate, name: str) -> bool:
    """True when some module has the name in its text: it may be used in a way of its own."""
    word = name.removesuffix(".*").encode()
    return any(word in file.content for file in candidate.source.modules().values())


def _span(candidate: Candidate, path: tuple[str | int, ...]) -> Span | None:
    return value_span(candidate.source.files[MANIFEST].content, *path)


# -- across plugins ---------------------------------------------------------------------------


def unknown_names(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Events, services and permissions that are asked for and that nobody offers: where a name
    that is offered is so near that it was surely meant, or where the plugin that the name begins
    with could offer it and surely does not."""
    for kind, offering, what in _DEMANDS:
        demanded = [
            name
            for name in candidate.use.names(kind)
            if not any(name in c.use.names(offering) for c in world.plugins.values())
        ]
        if not demanded:
            continue
        offered = {n for c in world.plugins.values() for n in c.use.names(offering)}
        offered |= {n for c in world.plugins.values() for n in _declared(c, offering)}
        for name in sorted(demanded):
            if any(matches(name, o) or matches(o, name) for o in offered):
                continue
            near = did_you_mean(name, offered)
            if near is None and not _owner_refuses(candidate, name, offering, world):
                continue
            file, span = candidate.use.place(kind, name)
            message = f"nobody {what} {name!r}"
            hint = near or f"there are: {', '.join(sorted(offered))}"
            yield warning(candidate, "STR025", message, file=file, span=span, hint=hint)


def _owner_refuses(candidate: Candidate, name: str, offering: str, world: World) -> bool:
    """True when `users.x` is surely not offered by the plugin `users`."""
    owner = world.plugins.get(normalise(name.partition(".")[0]))
    if owner is None or not owner.is_whole or offering in owner.use.computed:
        return False
    if owner is not candidate and _is_written(owner, name):
        return False
    return bool(owner.use.names(offering))


_DEMANDS = (
    (use.SUBSCRIBED, use.PUBLISHED, "publishes the event"),
    (use.ASKED, use.PROVIDED, "registers the service"),
    (use.REQUIRED, use.INTRODUCED, "introduces the permission"),
)


def _declared(candidate: Candidate, offering: str) -> list[str]:
    manifest = candidate.manifest
    return {
        use.PUBLISHED: manifest.events.publishes,
        use.PROVIDED: manifest.services,
        use.INTRODUCED: manifest.permissions,
    }[offering]
