"""What a class derives from and has, as far as the source of all plugins tells."""

from __future__ import annotations

import builtins
import sys
from dataclasses import dataclass
from enum import Enum

from devserver.validation.analysis import Attribute, Class, Function, ModuleAnalysis
from devserver.validation.lookup import Found, Lookup

SDK_BASES = frozenset(
    f"{module}.{name}"
    for module in ("devserver", "devserver.sdk", "devserver.sdk.plugin")
    for name in ("BasePlugin", "Plugin")
)
_INERT = frozenset(
    {"object", "abc.ABC", "typing.Generic", "typing.Protocol", "typing_extensions.Protocol"}
)
"""Bases without anything that a plugin could inherit."""
_NO_PLUGINS = frozenset(
    {"pydantic", "sqlalchemy", "flask", "werkzeug", "fastapi", "starlette", "marshmallow", "click"}
)
"""Packages whose classes are no plugins of ours."""

_MOST_BASES = 50

Member = tuple[ModuleAnalysis, Class]


class Ancestry(Enum):
    """Whether a class derives from BasePlugin."""

    PLUGIN = "plugin"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A class with its bases, nearest first, as far as they are defined in plugins.

    `is_complete` is False when more may be inherited than these and BasePlugin have.
    """

    ancestry: Ancestry
    members: tuple[Member, ...]
    is_complete: bool

    def attribute(self, name: str) -> tuple[ModuleAnalysis, Attribute] | None:
        """Where an attribute of instances is first set: constructors win over class bodies."""
        for analysis, found in self.members:
            for attribute in reversed(found.initial):
                if attribute.name == name:
                    return analysis, attribute
        for analysis, found in self.members:
            for attribute in reversed(found.attributes):
                if attribute.name == name:
                    return analysis, attribute
        return None

    def certain(self, name: str) -> tuple[ModuleAnalysis, Attribute] | None:
        """The attribute where its value is sure: a literal that nothing replaces."""
        found = self.attribute(name)
        if found is None or not found[1].literal or not self.is_plain:
            return None
        places = [a for _, c in self.members for a in (*c.initial, *c.attributes) if a.name == name]
        return found if len(places) == 1 and self.method(name) is None else None

    def method(self, name: str) -> tuple[ModuleAnalysis, Function] | None:
        """The method that instances have."""
        for analysis, found in self.members:
            method = found.method(name)
            if method is not None:
                return analysis, method
        return None

    @property
    def is_plain(self) -> bool:
        """True when what instances have is what the class bodies and constructors say."""
        magic = ("__getattr__", "__getattribute__", "__init_subclass__", "__new__")
        return self.is_complete and not any(
            found.decorators
            or any("metaclass" in k and not k.endswith("ABCMeta") for k in found.keywords)
            or any(found.method(m) for m in magic)
            for _, found in self.members
        )

    @property
    def is_abstract(self) -> bool:
        """True when the class has methods left to define, or says that it is a base alone."""
        own = self.members[0][1] if self.members else None
        return self._has_open_methods or (own is not None and _is_abc(own))

    @property
    def cannot_be_made(self) -> bool:
        """True when constructing the class surely fails: it is abstract, and Python knows it."""
        return self._has_open_methods and any(_is_abc(found) for _, found in self.members)

    @property
    def _has_open_methods(self) -> bool:
        done: set[str] = set()
        for _, found in self.members:
            for method in found.methods:
                if _is_abstract(method) and method.name not in done:
                    return True
                done.add(method.name)
            done.update(a.name for a in found.attributes)
        return False


def _is_abc(found: Class) -> bool:
    marked = any(k.endswith("ABCMeta") for k in found.keywords)
    return marked or any(base.rpartition(".")[2] == "ABC" for base in found.bases)


def _is_abstract(method: Function) -> bool:
    return any(d.rpartition(".")[2].startswith("abstract") for d in method.decorators)


def lineage(lookup: Lookup, analysis: ModuleAnalysis, found: Class) -> Lineage:
    """A class with all its bases."""
    members: list[Member] = []
    ancestry, complete = _ascend(lookup, analysis, found, members)
    return Lineage(ancestry=ancestry, members=tuple(members), is_complete=complete)


def _ascend(
    lookup: Lookup, analysis: ModuleAnalysis, found: Class, members: list[Member]
) -> tuple[Ancestry, bool]:
    if any(known is found for _, known in members):
        return Ancestry.OTHER, True
    if len(members) >= _MOST_BASES:
        return Ancestry.UNKNOWN, False
    members.append((analysis, found))
    ancestry, complete = Ancestry.OTHER, True
    for base in found.bases:
        named = Found() if base == "?" else lookup.find(analysis, base)
        if named.analysis is not None and isinstance(named.definition, Class):
            above, whole = _ascend(lookup, named.analysis, named.definition, members)
        else:
            above, whole = _judged(named.external)
        complete = complete and whole
        if above is Ancestry.PLUGIN or ancestry is Ancestry.OTHER:
            ancestry = above
    return ancestry, complete


def _judged(external: str | None) -> tuple[Ancestry, bool]:
    """What a base from outside the plugins is, and whether nothing else comes with it."""
    if external is None:
        return Ancestry.UNKNOWN, False
    if external in SDK_BASES:
        return Ancestry.PLUGIN, True
    top = external.partition(".")[0]
    if external in _INERT:
        return Ancestry.OTHER, True
    known = top in sys.stdlib_module_names or top in _NO_PLUGINS or hasattr(builtins, external)
    return (Ancestry.OTHER if known else Ancestry.UNKNOWN), False
