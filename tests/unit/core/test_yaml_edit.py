"""One value of a YAML text of somebody's own is changed."""

from __future__ import annotations

import pytest

from devserver.core.yaml_edit import with_value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "s:\n  k: true\n"),
        ("# mine\n", "# mine\ns:\n  k: true\n"),
        ("# mine", "# mine\ns:\n  k: true\n"),
        ("other: 1\n", "other: 1\ns:\n  k: true\n"),
        ("s:\n", "s:\n  k: true\n"),
        ("s:", "s:\n  k: true\n"),
        ("s:  # why\n\nother: 1\n", "s:  # why\n  k: true\n\nother: 1\n"),
        ("s: ~ # why\n", "s: {k: true} # why\n"),
        ("s:\n  # first\n  a: 1\n", "s:\n  k: true\n  # first\n  a: 1\n"),
        ("s:\n      a: 1\n", "s:\n      k: true\n      a: 1\n"),
        ("s: {}\n", "s: {k: true}\n"),
        ("s: {a: 1}  # why\n", "s: {k: true, a: 1}  # why\n"),
        ("{other: 1}\n", "{s: {k: true}, other: 1}\n"),
        ("s:\n  k: no  # why\n  a: 1", "s:\n  k: true # why\n  a: 1"),
        ("s:\n  k: false  # why\n", "s:\n  k: true   # why\n"),
        ("s:\n  k: 'false' # why\n", "s:\n  k: true    # why\n"),
        ("s:\n  k:\n  a: 1\n", "s:\n  k: true\n  a: 1\n"),
        ("s:\n  k:   # why\n", "s:\n  k: true # why\n"),
        ('s: {"k": off, a: [1,\n 2]}\n', 's: {"k": true, a: [1,\n 2]}\n'),
        ("s:\r\n  a: 1\r\n", "s:\r\n  k: true\r\n  a: 1\r\n"),
        ("s: &x\n  a: é\n", "s: &x\n  k: true\n  a: é\n"),
    ],
)
def test_one_value_is_changed_and_the_rest_stays_as_it_is_written(before: str, after: str) -> None:
    assert with_value(before, "s", "k", "true") == after


@pytest.mark.parametrize(
    "text", ["- 1\n", "word\n", "s: [\n", "s: 3\n", "s: [1]\n", "a: 1\n---\nb: 2\n"]
)
def test_a_text_that_no_line_can_change_is_left_alone(text: str) -> None:
    assert with_value(text, "s", "k", "true") is None
