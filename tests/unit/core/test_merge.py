"""Who wins an attribute."""

from __future__ import annotations

import pytest

from devserver.core.merge import (
    Change,
    Winner,
    after_initialize,
    changed_since,
    goes_on,
    qualified,
)


def test_an_attribute_is_unchanged_while_its_fingerprint_is_that_of_the_baseline() -> None:
    changes = changed_since(
        {"same": b"1", "other": b"1", "gone": b"1"},
        ["same", "other", "new", "sticky"],
        {"same": b"1", "other": b"2", "new": b"3"},
    )
    assert changes == {
        "same": Change.UNCHANGED,
        "other": Change.CHANGED,
        "new": Change.CHANGED,
        "sticky": Change.CHANGED,
    }


@pytest.mark.parametrize("change", Change)
def test_a_resource_goes_on_unless_the_old_generation_ends_it(change: Change) -> None:
    assert goes_on(change, resource=True, ended=False)
    assert not goes_on(change, resource=True, ended=True)


def test_of_other_values_only_changed_ones_go_on() -> None:
    assert goes_on(Change.CHANGED, resource=False, ended=False)
    assert not goes_on(Change.UNCHANGED, resource=False, ended=False)


@pytest.mark.parametrize(
    ("same_object", "passed", "reset", "read", "winner"),
    [
        (True, False, False, True, Winner.RUN_TIME),
        (True, True, True, True, Winner.RUN_TIME),
        (False, True, True, False, Winner.CODE),
        (False, False, True, True, Winner.RUN_TIME),
        (False, False, False, False, Winner.RUN_TIME),
        (False, False, False, True, Winner.CODE),
    ],
)
def test_what_initialize_assigned_stands_where_it_was_made_from_the_kept_value(
    same_object: bool, passed: bool, reset: bool, read: bool, winner: Winner
) -> None:
    assert (
        after_initialize(
            same_object=same_object, passed=passed, reset=reset, read_by_initialize=read
        )
        is winner
    )


def test_names_of_other_plugins_are_qualified() -> None:
    assert qualified({"b", "a"}, "users", main="users") == ("a", "b")
    assert qualified({"b", "a"}, "orders", main="users") == ("orders.a", "orders.b")
