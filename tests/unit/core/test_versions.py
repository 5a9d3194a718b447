"""Versions in texts that anybody may have written."""

from __future__ import annotations

import pytest
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.version import Version

from devserver.core.versions import find_version, requirement_of, specifier_of

HUGE = "1" * 5000


@pytest.mark.parametrize("text", ["", "x", HUGE, f"1.0a{HUGE}", f"1.0+{HUGE}", f"{HUGE}!1.0"])
def test_what_is_no_version_is_none(text: str) -> None:
    assert find_version(text) is None


def test_a_version_is_read() -> None:
    assert find_version("1.0") == Version("1.0.0")


@pytest.mark.parametrize("text", [HUGE, f">={HUGE}", f"=={HUGE}.*", f"==={HUGE}", "=>1"])
def test_what_is_no_specifier_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecifier):
        specifier_of(text)


@pytest.mark.parametrize("text", [f"flask>={HUGE}", f'flask; python_version > "{HUGE}"'])
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequirement):
        requirement_of(text)
