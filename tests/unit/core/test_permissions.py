"""What a grant stands for, and what a control call needs."""

from __future__ import annotations

import pytest

from devserver.core.permissions import NOBODY, Caller, control_permission


@pytest.mark.parametrize(
    ("grant", "key", "held"),
    [
        ("users.view", "users.view", True),
        ("users.view", "users.edit", False),
        ("users.*", "users.view", True),
        ("users.*", "users.admin.edit", True),
        ("users.*", "users", False),
        ("users.*", "users2.view", False),
        ("myplugin:*", "myplugin:view", True),
        ("*", "anything.at.all", True),
        ("", "users.view", False),
        ("users.v*", "users.view", False),
    ],
)
def test_a_grant_is_a_key_or_a_wildcard_above_it(grant: str, key: str, held: bool) -> None:
    assert (Caller(grants=frozenset({grant})).missing([key]) == ()) is held


def test_all_that_is_missing_is_named_in_order() -> None:
    caller = Caller(name="ci", grants=frozenset({"b"}))
    assert caller.missing(["c", "b", "a"]) == ("c", "a")
    assert NOBODY.missing(["a"]) == ("a",)
    assert Caller().missing(["a"]) == ()


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/api/plugins", "admin.plugins.view"),
        ("POST", "/api/plugins/users/enable", "admin.plugins.enable"),
        ("POST", "/admin/plugins/users/reload", "admin.plugins.reload"),
        ("POST", "/plugins/reload", "admin.plugins.reload"),
        ("PUT", "/plugins/config", "admin.plugins.config"),
        ("POST", "/api/plugins/users/commands/enable", "admin.plugins.run"),
        ("POST", "/api/plugins/commands/enable", "admin.plugins.enable"),
        ("POST", "/api/plugins/discover", "admin.plugins.discover"),
        ("POST", "/", "admin.plugins.manage"),
    ],
)
def test_a_control_call_needs_the_permission_of_its_deed(
    method: str, path: str, needed: str
) -> None:
    assert control_permission(method, path) == needed
