"""What a plugin's modules offer to whoever imports them, compared without their places."""

from __future__ import annotations

from typing import Any

from devserver.validation.analysis import Function, ModuleAnalysis
from devserver.validation.candidate import Candidate


def gives_the_same(before: Candidate, after: Candidate) -> bool:
    """True when an edit surely takes nothing away: the same modules have the same names, and
    what can be called takes the same arguments."""
    if before.module_names != after.module_names or before.modules.keys() != after.modules.keys():
        return False
    return all(
        found is after.modules[name] or _offer(found) == _offer(after.modules[name])
        for name, found in before.modules.items()
    )


def _offer(analysis: ModuleAnalysis) -> tuple[Any, ...]:
    classes = [
        (c.name, c.bases, c.keywords, c.decorators, [_signature(m) for m in c.methods])
        for c in analysis.classes
    ]
    imports = [
        (i.module, i.level, i.bound_as, [(n.name, n.bound_as) for n in i.names])
        for i in analysis.imports
    ]
    functions = [_signature(f) for f in analysis.functions]
    names = (analysis.bound, analysis.rebound, analysis.exports, analysis.is_open)
    return (*names, analysis.assigned, imports, functions, classes)


def _signature(function: Function) -> tuple[Any, ...]:
    return function.name, function.is_async, function.decorators, function.signature
