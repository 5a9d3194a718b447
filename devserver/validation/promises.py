"""The versions of Python that a plugin promises, beside what its text needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier
from packaging.version import Version

from devserver.core.diagnostics import Diagnostic
from devserver.core.versions import specifier_of
from devserver.validation.candidate import Candidate
from devserver.validation.findings import warning

_BOUND = re.compile(r">=?|~=|==")
_LATEST_MINOR = 30


def too_new_syntax(candidate: Candidate) -> Iterator[Diagnostic]:
    """Syntax that the oldest promised Python does not read."""
    wanted = candidate.manifest.python_version
    oldest = None if wanted is None else oldest_promised(wanted)
    if oldest is None:
        return
    for analysis in candidate.modules.values():
        for feature in analysis.features:
            if Version(feature.version) > oldest:
                yield warning(
                    candidate,
                    "CMP014",
                    f"{feature.name}: syntax of Python {feature.version}, but the plugin is said "
                    f"to be for {oldest} too",
                    file=analysis.file,
                    span=feature.span,
                    hint=f'write "python_version": ">={feature.version}" in the manifest',
                )


def oldest_promised(wanted: str) -> Version | None:
    """The oldest minor version of Python 3 that a specifier admits, None where it has no lower
    bound or cannot be read."""
    try:
        specifier = specifier_of(wanted)
    except InvalidSpecifier:
        return None
    if not any(_BOUND.match(part.operator) for part in specifier):
        return None
    for minor in range(_LATEST_MINOR):
        series = (f"3.{minor}", f"3.{minor}.99")
        if any(specifier.contains(version, prereleases=True) for version in series):
            return Version(f"3.{minor}")
    return None
