"""What the modules of all plugins have, and what a name in one of them stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from devserver.validation.analysis import Class, Function, Import, ModuleAnalysis, Use

if TYPE_CHECKING:
    from devserver.validation.candidate import Candidate

ROOT = "plugins"
GIVEN = frozenset(
    {
        *("__name__", "__doc__", "__file__", "__package__", "__spec__", "__loader__", "__path__"),
        *("__builtins__", "__dict__", "__class__", "__annotations__", "__cached__"),
    }
)
"""What every module has without saying so."""


class Presence(Enum):
    """Whether something is there. UNKNOWN: only running the code would tell."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a name stands for: a class or function of a plugin with the module that defines it,
    or `external`, the dotted name of something outside; nothing of that where it is unknown."""

    analysis: ModuleAnalysis | None = None
    definition: Class | Function | None = None
    external: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`name` of the module `module` (None: the module itself); `rest` are attributes behind it."""

    module: str
    name: str | None
    rest: tuple[str, ...] = ()


_NOTHING = Found()
_DEPTH = 30


class Lookup:
    """Answers for one set of plugins, by normalised name."""

    def __init__(self, plugins: Mapping[str, Candidate]) -> None:
        self._plugins = plugins
        self._stored: dict[str, set[str]] | None = None
        self._found: dict[tuple[str, str], Found] = {}

    # -- modules and names -------------------------------------------------------------------

    def candidate_of(self, module: str) -> Candidate | None:
        """The plugin that a module below `plugins` belongs to."""
        parts = module.split(".", 2)
        return self._plugins.get(parts[1]) if len(parts) > 1 and parts[0] == ROOT else None

    def analysis_of(self, module: str) -> ModuleAnalysis | None:
        """The analysis of a module; None also for one that cannot be parsed."""
        candidate = self.candidate_of(module)
        return None if candidate is None else candidate.modules.get(module)

    def module(self, name: str) -> Presence:
        """Whether a module below `plugins` can be imported."""
        if name == ROOT:
            return Presence.PRESENT
        candidate = self.candidate_of(name)
        if candidate is None:
            return Presence.ABSENT
        return Presence.PRESENT if name in candidate.module_names else Presence.ABSENT

    def name(self, module: str, name: str, _seen: frozenset[str] = frozenset()) -> Presence:
        """Whether a module below `plugins` has a name, or a module of that name below it."""
        if module == ROOT:
            return Presence.PRESENT if name in self._plugins else Presence.ABSENT
        candidate = self.candidate_of(module)
        if candidate is None or module not in candidate.module_names:
            return Presence.UNKNOWN
        if f"{module}.{name}" in candidate.module_names or name in GIVEN:
            return Presence.PRESENT
        if len(_seen) > _DEPTH:
            return Presence.UNKNOWN
        analysis = candidate.modules.get(module)
        if analysis is None:
            unreadable = module in candidate.source.modules()
            return Presence.UNKNOWN if unreadable else self._unless_stored(module, name)
        if name in analysis.bound:
            return Presence.PRESENT
        if analysis.is_open or "__getattr__" in analysis.bound:
            return Presence.UNKNOWN
        by_star = self._by_star(analysis, name, _seen | {module})
        return self._unless_stored(module, name) if by_star is Presence.ABSENT else by_star

    def _by_star(self, analysis: ModuleAnalysis, name: str, seen: frozenset[str]) -> Presence:
        found = Presence.ABSENT
        for target in self.star_targets(analysis):
            if target is None or self.candidate_of(target) is None:
                found = Presence.UNKNOWN
                continue
            if target in seen:
                continue
            other = self.analysis_of(target)
            exports = None if other is None else other.exports
            if exports is None and other is not None and "__all__" in other.bound:
                found = Presence.UNKNOWN
            elif exports is not None:
                if name in exports:
                    return Presence.PRESENT
            elif not name.startswith("_"):
                there = self.name(target, name, seen)
                if there is Presence.PRESENT:
                    return there
                found = there if there is Presence.UNKNOWN else found
        return found

    def _unless_stored(self, module: str, name: str) -> Presence:
        """ABSENT, unless some module assigns the attribute from outside."""
        if self._stored is None:
            self._stored = {}
            for candidate in self._plugins.values():
                for analysis in candidate.modules.values():
                    for use in analysis.uses:
                        self._note_store(analysis, use)
        names = self._stored.get(module, set())
        if name in names:
            return Presence.PRESENT
        return Presence.UNKNOWN if "*" in names else Presence.ABSENT

    def _note_store(self, analysis: ModuleAnalysis, use: Use) -> None:
        if not use.stores or self._stored is None:
            return
        place = self.place_of(analysis, use)
        if place is not None and place.name is not None and not place.rest:
            self._stored.setdefault(place.module, set()).add(place.name)

    @staticmethod
    def star_targets(analysis: ModuleAnalysis) -> Iterator[str | None]:
        """The modules of `from module import *`, absolute; None where the dots lead nowhere."""
        for found in analysis.imports:
            if not found.type_checking and any(n.name == "*" for n in found.names):
                yield analysis.absolute(found.module, found.level)

    def names_in(self, module: str) -> list[str]:
        """Names to choose a hint from."""
        if module == ROOT:
            return sorted(self._plugins)
        candidate, analysis = self.candidate_of(module), self.analysis_of(module)
        below = [] if candidate is None else candidate.module_names
        names = {n.rpartition(".")[2] for n in below if n.rpartition(".")[0] == module}
        return sorted(names | (analysis.bound if analysis else frozenset()))

    # -- what something stands for -------------------------------------------------------------

    def place_of(self, analysis: ModuleAnalysis, use: Use) -> Place | None:
        """Where a use leads: through modules to the first thing that is no module."""
        module = analysis.absolute(use.module, use.level)
        if module is None:
            return None
        path = (*((use.name,) if use.name is not None else ()), *use.path)
        for index, name in enumerate(path):
            deeper = f"{module}.{name}"
            if self.module(deeper) is not Presence.PRESENT:
                return Place(module=module, name=name, rest=path[index + 1 :])
            module = deeper
        return Place(module=module, name=None)

    def find(self, analysis: ModuleAnalysis, dotted: str, depth: int = 0) -> Found:
        """What a dotted name at the top level of a module stands for. `depth` counts the
        aliases that led here."""
        asked = (analysis.name, dotted)
        if asked not in self._found:
            self._found[asked] = _NOTHING  # the answer to whoever goes round in a circle
            self._found[asked] = self._find(analysis, dotted, depth)
        return self._found[asked]

    def _find(self, analysis: ModuleAnalysis, dotted: str, depth: int) -> Found:
        head, _, rest = dotted.partition(".")
        if depth > _DEPTH or head in analysis.rebound:
            return _NOTHING
        own = analysis.class_named(head) or analysis.function(head)
        targets = list(_bindings(analysis, head))
        if own is not None:
            return _NOTHING if rest or targets else Found(analysis=analysis, definition=own)
        if len(targets) == 1:
            module, name = targets[0]
            return self._follow(analysis, module, name, rest, depth)
        alias = analysis.assigned.get(head, "?")
        if not targets and alias != "?" and not alias.endswith("()") and not rest:
            return self.find(analysis, alias, depth + 1)
        if targets or head in analysis.bound:
            return _NOTHING
        return self._from_star(analysis, dotted, depth)

    def _follow(
        self, analysis: ModuleAnalysis, found: Import, name: str | None, rest: str, depth: int
    ) -> Found:
        absolute = analysis.absolute(found.module, found.level)
        if absolute is None:
            return _NOTHING
        path = [p for p in (name, *rest.split(".")) if p]
        if name is None and found.bound_as == found.module.partition(".")[0]:
            path = path[found.module.count(".") :]
        if absolute.partition(".")[0] != ROOT:
            return Found(external=".".join([absolute, *path]))
        while path and self.module(f"{absolute}.{path[0]}") is Presence.PRESENT:
            absolute = f"{absolute}.{path.pop(0)}"
        other = self.analysis_of(absolute)
        if other is None or not path:
            return _NOTHING
        return self.find(other, ".".join(path), depth + 1)

    def _from_star(self, analysis: ModuleAnalysis, dotted: str, depth: int) -> Found:
        for target in self.star_targets(analysis):
            other = None if target is None else self.analysis_of(target)
            if other is None:
                return _NOTHING
            found = self.find(other, dotted, depth + 1)
            if found.definition is not None or found.external is not None:
                return found
        return Found(external=dotted)


def _bindings(analysis: ModuleAnalysis, name: str) -> Iterator[tuple[Import, str | None]]:
    """The imports that bind a name at the top level, with what they take from the module."""
    for found in analysis.imports:
        if found.lazy or found.type_checking:
            continue
        if found.bound_as == name:
            yield found, None
        for imported in found.names:
            if imported.bound_as == name and imported.name != "*":
                yield found, imported.name
