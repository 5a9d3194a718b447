"""What to do about a module that cannot be imported."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from devserver.validation.candidate import Candidate
from devserver.validation.distributions import REQUIREMENTS, distribution_of, requirements_in
from devserver.validation.findings import nearest
from devserver.validation.resolve import known_top_level


def hint_for_missing_module(candidate: Candidate, module: str) -> str:
    """The next step for the author of a plugin that imports `module`."""
    top = module.partition(".")[0]
    if f"{candidate.package}.{top}" in candidate.module_names:
        return f"for the plugin's own module write `from {candidate.package} import {top}`"
    requirements = _requirements_file(candidate)
    if requirements is not None and _names_it(candidate, top):
        return f"`pip install -r {requirements}`"
    known = distribution_of(top)
    declared = _in_manifest(candidate, top)
    if declared is not None:
        return f"`pip install {declared}`; {REQUIREMENTS} is the place for what is no plugin"
    where = requirements or candidate.source.project_path(REQUIREMENTS)
    if known is None:
        near = nearest(top, known_top_level(), cutoff=0.75)
        if near is not None:
            return f"did you mean {near!r}?"
        return f"install the package that provides it, and name it in {where}"
    return f"`pip install {known}`, and name it in {where}"


def _requirements_file(candidate: Candidate) -> str | None:
    source = candidate.source
    if source.single_file or REQUIREMENTS not in source.files:
        return None
    return source.project_path(REQUIREMENTS)


def _in_manifest(candidate: Candidate, top: str) -> str | None:
    """The entry among the manifest's dependencies that is the distribution of a module."""
    wanted = _distributions_of(top)
    named = candidate.manifest.dependencies
    return next((name for name in named if canonicalize_name(name) in wanted), None)


def _distributions_of(top: str) -> set[str]:
    return {canonicalize_name(top), canonicalize_name(distribution_of(top) or top)}


def _names_it(candidate: Candidate, top: str) -> bool:
    text = candidate.source.files[REQUIREMENTS].content.decode(errors="replace")
    wanted = _distributions_of(top)
    return any(
        line.requirement is not None and canonicalize_name(line.requirement.name) in wanted
        for line in requirements_in(re.sub(r"\r\n?", "\n", text))
    )
