"""What a plugin deals with the host in, by name: topics, services, commands, permissions, keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType

from devserver.validation.analysis import HostCall, ModuleAnalysis, Span

PUBLISHED = "publish"
SUBSCRIBED = "subscribe"
PROVIDED = "provide"
ASKED = "ask"
COMMANDS = "command"
INTRODUCED = "introduce"
REQUIRED = "require"
CONFIGURED = "configure"
SET = "set"

_KINDS: Mapping[str, str] = {
    "publish_event": PUBLISHED,
    "events.publish": PUBLISHED,
    "subscribe_to_event": SUBSCRIBED,
    "events.subscribe": SUBSCRIBED,
    "register_service": PROVIDED,
    "services.register": PROVIDED,
    "get_service": ASKED,
    "services.get": ASKED,
    "register_command": COMMANDS,
    "Permission": INTRODUCED,
    "requires_permission": REQUIRED,
    "permissions.require": REQUIRED,
    "get_config": CONFIGURED,
    "config.get": CONFIGURED,
    "set_config": SET,
    "config.set": SET,
}
_OF_SEVERAL = frozenset({"requires_permission", "permissions.require"})
"""Calls all of whose arguments count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUse:
    """`named` maps a kind to its literal names, each with the file and the first place of it;
    `computed` are the kinds of which there are calls whose name only running the code would
    tell."""

    named: Mapping[str, Mapping[str, tuple[str, Span]]] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()

    def names(self, kind: str) -> Set[str]:
        return self.named.get(kind, _NONE).keys()

    def place(self, kind: str, name: str) -> tuple[str, Span]:
        """Raises KeyError where there is none."""
        return self.named[kind][name]


_NONE: Mapping[str, tuple[str, Span]] = MappingProxyType({})


def host_use(modules: Iterable[ModuleAnalysis]) -> HostUse:
    """What the modules of one plugin deal with the host in."""
    named: dict[str, dict[str, tuple[str, Span]]] = {}
    computed: set[str] = set()
    for analysis in modules:
        for call in calls_in(analysis):
            kind = _KINDS.get(call.name)
            if kind is None:
                continue
            if not call.arguments:
                computed.add(kind)
            for name in call.arguments if call.name in _OF_SEVERAL else call.arguments[:1]:
                named.setdefault(kind, {}).setdefault(name, (analysis.file, call.span))
    return HostUse(named=named, computed=frozenset(computed))


def calls_in(analysis: ModuleAnalysis) -> Iterator[HostCall]:
    """All host calls of a module, those of its classes first."""
    for found in analysis.classes:
        yield from found.calls
    yield from analysis.calls


def matches(pattern: str, topic: str) -> bool:
    """True where a subscription to `pattern` gets an event of `topic`."""
    if pattern in ("*", topic):
        return True
    return pattern.endswith(".*") and topic.startswith(pattern[:-1])
