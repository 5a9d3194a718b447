"""Versions, specifiers and requirements in texts that anybody may have written."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_TOO_LARGE = re.compile(r"[0-9]{1001}")
"""Python refuses to read longer numbers (4,300 digits unless told otherwise), some only when they
are compared."""


def find_version(text: str) -> Version | None:
    """The version that a text is, None for none (PEP 440)."""
    try:
        return None if _TOO_LARGE.search(text) else Version(text)
    except InvalidVersion:
        return None


def specifier_of(text: str) -> SpecifierSet:
    """A version specifier as authors write it: `*` is any version, `1.2` that or a later one,
    `1.2.*` any of that series.

    Raises InvalidSpecifier.
    """
    bare = text.strip()
    if _TOO_LARGE.search(bare):
        raise InvalidSpecifier(f"{bare[:40]!r}… has a number that is too large")
    if bare == "*":
        return SpecifierSet("")
    if bare[:1].isdigit():
        return SpecifierSet(f"=={bare}" if bare.endswith(".*") else f">={bare}")
    return SpecifierSet(bare)


def requirement_of(text: str) -> Requirement:
    """`flask>=3`. Raises InvalidRequirement."""
    if _TOO_LARGE.search(text):
        raise InvalidRequirement(f"{text[:40]!r}… has a number that is too large")
    return Requirement(text)
