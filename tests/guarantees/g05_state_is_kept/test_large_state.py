"""Large state costs a copy, not more: what became large is not read to see that it changed."""

from __future__ import annotations

import sys
from typing import Any

from devserver.runtime.fingerprint import OTHER, fingerprint
from tests.integration.lab import Lab, plugin


class Counted:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def __reduce__(self) -> Any:
        self.reads += 1
        return (str, ())


def printed(value: Any, expected: bytes | None = None) -> bytes:
    return fingerprint(value, {}, sys.modules.get, expected=expected)


def test_a_small_value_that_became_large_is_not_read_to_its_end() -> None:
    last = Counted()
    assert printed([*range(1_000_000), last], printed([])) == OTHER
    assert last.reads == 0


def test_what_is_expected_is_found_and_a_change_at_the_end_too() -> None:
    values = list(range(1_000_000))
    expected = printed(values)
    assert printed(list(values), expected) == expected
    values[-1] += 1
    assert printed(values, expected) != expected
    values.pop()
    assert printed(values, expected) != expected


def test_parts_that_are_shared_again_and_again_are_compared_in_no_time() -> None:
    value: Any = ["x" * 100]
    for _ in range(200):
        value = [value, value]
    expected = printed(value)
    assert printed(value, expected) == expected
    value[0][1] = []
    assert printed(value, expected) != expected


def test_large_state_is_kept_and_a_large_value_of_the_code_is_that_of_the_new_code(
    lab: Lab,
) -> None:
    init = "self.rows = {{}}\nself.table = [[n, {version}] for n in range(200_000)]"
    lab.write("users", plugin("users", init=init.format(version=1)))
    lab.start()
    rows = {f"row {n}": [n, str(n)] for n in range(200_000)}
    lab.generation("users").plugin.rows.update(rows)
    for version in (2, 3):
        outcome = lab.save(("users", plugin("users", version, init=init.format(version=version))))
        assert outcome is not None
        assert outcome.state.kept == ("rows",)
        users = lab.generation("users").plugin
        assert users.rows == rows
        assert users.rows is not rows
        assert users.table[-1] == [199_999, version]
