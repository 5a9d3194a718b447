"""Plugins that have a word in how their state goes on."""

from __future__ import annotations

import threading

import pytest

from tests.integration.lab import Lab, plugin

GIVING = """
{kind} get_persistent_state(self):
    return {{"private": self._private, "shared": self.items}}

{kind} restore_persistent_state(self, state):
    self._private = state["private"] + 1
    self.same = state["shared"] is self.items
"""
INIT = "self._private = 1\nself.items = []\nself.same = None"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_persistent_state_goes_from_hook_to_hook(lab: Lab, kind: str) -> None:
    parts = {"init": INIT, "body": GIVING.format(kind=kind)}
    lab.write("users", plugin("users", **parts))
    lab.start()
    lab.generation("users").plugin.items.append(1)
    for version in (2, 3):
        assert lab.save(("users", plugin("users", version, **parts))).success
        users = lab.generation("users").plugin
        assert (users._private, users.items, users.same) == (version, [1], True)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_attributes_are_renamed_by_migrate_state(lab: Lab, kind: str) -> None:
    body = f"""
        {kind} migrate_state(self, state, from_version):
            self.came_from = from_version
            state["visits"] = state.pop("hits")
    """
    lab.write("users", plugin("users"))
    lab.start()
    lab.json("/users/hit")
    outcome = lab.save(("users", plugin("users", 2, body=body)))
    assert outcome is not None
    users = lab.generation("users").plugin
    assert (users.visits, users.hits, users.came_from) == (1, 0, "1.0.0")
    assert "visits" in outcome.state.kept


@pytest.mark.parametrize(
    "body",
    [
        "def migrate_state(self, state, from_version): raise ValueError('cannot')",
        "def migrate_state(self, state, from_version): return 5",
        "def restore_persistent_state(self, state): raise ValueError('cannot')",
        "async def restore_persistent_state(self, state): raise ValueError('cannot')",
        "def adopt_connection(self, name, connection): raise ValueError('cannot')",
    ],
)
def test_a_hook_of_state_that_fails_rolls_back(lab: Lab, body: str) -> None:
    giving = "def get_persistent_state(self): return 1\n"
    lab.write("users", plugin("users", body=giving))
    lab.start()
    lab.json("/users/hit")
    users = lab.generation("users").plugin
    users.register_connection("db", threading.Lock())
    outcome = lab.save(("users", plugin("users", 2, body=giving + body)))
    assert outcome is not None
    assert outcome.rolled_back
    assert lab.generation("users").plugin is users
    assert lab.json("/users/hit") == {"hits": 2}


def test_a_hook_that_gives_what_cannot_be_copied_gives_it_by_reference(lab: Lab) -> None:
    body = """
        def get_persistent_state(self):
            return self._lock
        def restore_persistent_state(self, lock):
            self._lock = lock
    """
    parts = {"top": "import threading", "init": "self._lock = threading.Lock()", "body": body}
    lab.write("users", plugin("users", **parts))
    lab.start()
    lock = lab.generation("users").plugin._lock
    assert lab.save(("users", plugin("users", 2, **parts))).success
    assert lab.generation("users").plugin._lock is lock


def test_active_connections_are_given_to_restore_connections(lab: Lab) -> None:
    body = """
        @property
        def active_connections(self):
            return {"a": self.ident}
        async def restore_connections(self, connections):
            self.restored = connections
    """
    parts = {"init": "self.ident = 1\nself.restored = None", "body": body}
    lab.write("users", plugin("users", **parts))
    lab.start()
    lab.generation("users").plugin.ident = 7
    assert lab.save(("users", plugin("users", 2, **parts))).success
    assert lab.generation("users").plugin.restored == {"a": 7}


def test_added_attributes_are_there_and_removed_ones_stay_where_they_were_changed(
    lab: Lab,
) -> None:
    lab.write("users", plugin("users", init="self.old = 1\nself.unused = 2"))
    lab.start()
    lab.generation("users").plugin.old = 5
    assert lab.save(("users", plugin("users", 2, init="self.added = [1]"))).success
    users = lab.generation("users").plugin
    assert (users.added, users.old, hasattr(users, "unused")) == ([1], 5, False)
