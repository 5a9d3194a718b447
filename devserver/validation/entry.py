"""Which class makes a plugin, as far as its source tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from devserver.core.versions import find_version
from devserver.validation.analysis import Class, Function, ModuleAnalysis
from devserver.validation.ancestry import Ancestry, Member, lineage
from devserver.validation.lookup import Found, Lookup

if TYPE_CHECKING:
    from devserver.validation.candidate import Candidate

FACTORIES = ("get_plugin", "create_plugin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What makes the plugin. `analysis` is the entry module, None when it cannot be parsed.

    `found` is the class where the source tells it; `rivals` are the classes between which
    nothing decides; `factory` is the function that makes the plugin, if there is one.
    `is_missing` is True when there is surely nothing.
    """

    analysis: ModuleAnalysis | None
    found: Member | None = None
    rivals: tuple[Member, ...] = ()
    factory: Function | None = None
    is_missing: bool = False


def plugin_classes(candidate: Candidate, lookup: Lookup) -> Iterator[Member]:
    """The classes of the entry module, defined or imported from the same plugin, that surely
    derive from BasePlugin; bases of others among them are left out."""
    analysis = candidate.modules.get(candidate.entry_module)
    if analysis is None:
        return
    found = [
        (where, cls, lineage(lookup, where, cls))
        for where, cls in _classes_in(candidate, analysis, lookup)
    ]
    plugins = [(w, c, line) for w, c, line in found if line.ancestry is Ancestry.PLUGIN]
    bases = {id(base) for _, _, line in plugins for _, base in line.members[1:]}
    for where, cls, _ in plugins:
        if id(cls) not in bases:
            yield where, cls


def _classes_in(candidate: Candidate, analysis: ModuleAnalysis, lookup: Lookup) -> Iterator[Member]:
    seen: set[int] = set()
    for name in sorted(analysis.bound):
        found = lookup.find(analysis, name)
        if found.analysis is None or not isinstance(found.definition, Class):
            continue
        own = found.analysis.name == candidate.package or found.analysis.name.startswith(
            candidate.package + "."
        )
        if own and id(found.definition) not in seen:
            seen.add(id(found.definition))
            yield found.analysis, found.definition


def find_entry(candidate: Candidate, lookup: Lookup) -> Entry:
    """What makes the plugin, in the order in which the host looks for it."""
    analysis = candidate.modules.get(candidate.entry_module)
    if analysis is None:
        surely = candidate.entry_module not in candidate.source.modules()
        return Entry(analysis=None, is_missing=surely)
    for name in FACTORIES:
        if name in analysis.bound:
            return _from_factory(analysis, name, lookup)
    concrete = [
        (where, cls)
        for where, cls in plugin_classes(candidate, lookup)
        if not lineage(lookup, where, cls).is_abstract
    ]
    if _may_hide(analysis, lookup):
        return Entry(analysis=analysis, found=concrete[0] if len(concrete) == 1 else None)
    if len(concrete) == 1:
        return Entry(analysis=analysis, found=concrete[0])
    if concrete:
        return Entry(analysis=analysis, rivals=tuple(concrete))
    bases = [lineage(lookup, where, cls) for where, cls in plugin_classes(candidate, lookup)]
    return Entry(analysis=analysis, is_missing=all(base.cannot_be_made for base in bases))


def _from_factory(analysis: ModuleAnalysis, name: str, lookup: Lookup) -> Entry:
    factory = lookup.find(analysis, name)
    if not isinstance(factory.definition, Function) or factory.analysis is None:
        return Entry(analysis=analysis)
    function, where = factory.definition, factory.analysis
    shapes = set(function.returns)
    shape = shapes.pop() if len(shapes) == 1 else "?"
    if not shape.endswith("()"):
        shape = where.assigned.get(shape, "?")
    made = lookup.find(where, shape.removesuffix("()")) if shape.endswith("()") else Found()
    found = None
    if made.analysis is not None and isinstance(made.definition, Class):
        found = (made.analysis, made.definition)
    own = function if where is analysis else None
    return Entry(analysis=analysis, found=found, factory=own)


def _may_hide(analysis: ModuleAnalysis, lookup: Lookup) -> bool:
    """True when the entry module may have a plugin class, or a factory, that cannot be seen."""
    if analysis.is_open or "__getattr__" in analysis.bound or list(lookup.star_targets(analysis)):
        return True
    for name in analysis.bound:
        found = lookup.find(analysis, name)
        if found.analysis is not None and isinstance(found.definition, Class):
            line = lineage(lookup, found.analysis, found.definition)
            if line.ancestry is Ancestry.UNKNOWN:
                return True
        elif found.external is None and name[:1].isupper() and not name.isupper():
            return True  # spelt like a class, and unknown
    return False


def stated_version(candidate: Candidate, lookup: Lookup) -> Version | None:
    """The plugin's version: its class's, else its manifest's; None where that is not sure."""
    entry = find_entry(candidate, lookup)
    text: object = candidate.manifest.version
    if entry.found is not None:
        line = lineage(lookup, *entry.found)
        known = line.certain("version")
        if known is not None:
            text = known[1].value or text
        elif line.attribute("version") is not None or line.method("version") is not None:
            return None
    elif not entry.is_missing and text is None:
        return None
    return find_version(text) if isinstance(text, str) else None
