"""What the functions and classes of plugins take when they are called."""

from __future__ import annotations

from devserver.validation.analysis import Function, ModuleAnalysis, Span
from devserver.validation.ancestry import lineage
from devserver.validation.lookup import Lookup, Place
from devserver.validation.parameters import Signature

_TRANSPARENT = frozenset({"cache", "lru_cache", "requires_permission", "final", "override"})
"""Decorators that leave the parameters as they are."""


def signature_at(lookup: Lookup, place: Place) -> tuple[ModuleAnalysis, Span, Signature] | None:
    """The module, place and parameters of the function or class that a name stands for; None
    where that is not sure."""
    analysis = lookup.analysis_of(place.module)
    if analysis is None or place.name is None or place.rest:
        return None
    found = lookup.find(analysis, place.name)
    if found.analysis is None or found.definition is None:
        return None
    if isinstance(found.definition, Function):
        if not _is_transparent(found.definition):
            return None
        return found.analysis, found.definition.span, found.definition.signature
    line = lineage(lookup, found.analysis, found.definition)
    constructor = line.method("__init__")
    if not line.is_plain or constructor is None or constructor[1].decorators:
        return None
    if not constructor[1].signature.takes_first:
        return None
    return found.analysis, found.definition.span, constructor[1].signature.without_first()


def is_async_at(lookup: Lookup, place: Place) -> bool | None:
    """Whether calling what a name stands for gives a coroutine; None where that is not sure."""
    analysis = lookup.analysis_of(place.module)
    if analysis is None or place.name is None or place.rest:
        return None
    found = lookup.find(analysis, place.name).definition
    if not isinstance(found, Function) or not _is_transparent(found) or found.is_generator:
        return None
    return found.is_async


def _is_transparent(function: Function) -> bool:
    return all(d.rpartition(".")[2] in _TRANSPARENT for d in function.decorators)
