"""What was changed at run time is kept, edits are seen: attribute by attribute."""

from __future__ import annotations

import threading

from tests.integration.lab import Lab, plugin


def test_a_counter_lives_through_50_reloads_while_a_changed_default_shows(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    for n in range(50):
        assert lab.json("/users/hit") == {"hits": n + 1}
        assert lab.save(("users", plugin("users", n + 2, greeting=f"hello {n}"))).success
        assert lab.json("/users/version")["greeting"] == f"hello {n}"
    assert lab.json("/users/hit") == {"hits": 51}
    assert lab.generation("users").number == 51


def test_the_outcome_names_what_became_of_the_state(lab: Lab) -> None:
    lab.write("users", plugin("users", init="self.lock = None"))
    lab.start()
    lab.json("/users/hit")
    lab.generation("users").plugin.lock = threading.Lock()
    outcome = lab.save(("users", plugin("users", 2, init="self.lock = None")))
    assert outcome is not None
    assert outcome.state.kept == ("hits",)
    assert outcome.state.merged == ("greeting",)
    assert outcome.state.passed == ("lock",)
    assert outcome.state.lost == ()


INITIALIZED = """
def initialize(self):
    self.count = {start}
    self.opened = object()
"""


def test_a_value_that_initialize_sets_is_kept_when_it_was_changed(lab: Lab) -> None:
    body = INITIALIZED.format(start=0)
    lab.write("users", plugin("users", body=body))
    lab.start()
    lab.generation("users").plugin.count = 5
    lab.save(("users", plugin("users", 2, body=body)))
    assert lab.generation("users").plugin.count == 5
    lab.save(("users", plugin("users", 3, body=body)))
    assert lab.generation("users").plugin.count == 5


def test_a_value_that_initialize_sets_follows_the_code_when_it_was_not_changed(lab: Lab) -> None:
    lab.write("users", plugin("users", body=INITIALIZED.format(start=0)))
    lab.start()
    lab.save(("users", plugin("users", 2, body=INITIALIZED.format(start=100))))
    assert lab.generation("users").plugin.count == 100


def test_what_initialize_makes_of_a_restored_value_stands(lab: Lab) -> None:
    body = """
        def initialize(self):
            self.items = sorted(set(getattr(self, "items", [])))
    """
    lab.write("users", plugin("users", body=body))
    lab.start()
    lab.generation("users").plugin.items = [3, 1, 3]
    lab.save(("users", plugin("users", 2, body=body)))
    assert lab.generation("users").plugin.items == [1, 3]


def test_hooks_of_state_are_called_with_what_was_kept(lab: Lab) -> None:
    body = """
        def get_persistent_state(self):
            return {"secret": self._secret}

        def restore_persistent_state(self, state):
            self._secret = state["secret"] + 1

        def migrate_state(self, state, from_version):
            state["visits"] = state.pop("hits", 0)
            state["came_from"] = from_version
            return state
    """
    lab.write("users", plugin("users", init="self._secret = 1", body=body))
    lab.start()
    lab.json("/users/hit")
    assert lab.save(("users", plugin("users", 2, init="self._secret = 1", body=body))).success
    users = lab.generation("users").plugin
    assert (users.visits, users.hits, users.came_from, users._secret) == (1, 0, "1.0.0", 2)


def test_private_attributes_start_anew(lab: Lab) -> None:
    lab.write("users", plugin("users", init="self._cache = {}"))
    lab.start()
    lab.generation("users").plugin._cache["a"] = 1
    lab.save(("users", plugin("users", 2, init="self._cache = {}")))
    assert lab.generation("users").plugin._cache == {}


def test_connections_go_to_the_next_generation(lab: Lab) -> None:
    adopting = """
        def adopt_connection(self, connection_id, connection):
            self.adopted = (connection_id, connection)
    """
    lab.write("users", plugin("users"))
    lab.start()
    connection = threading.Lock()
    lab.generation("users").plugin.register_connection("db", connection)
    lab.save(("users", plugin("users", 2)))
    assert lab.generation("users").plugin.get_connection("db") is connection
    assert lab.generation("users").plugin.db is connection
    lab.save(("users", plugin("users", 3, body=adopting)))
    assert lab.generation("users").plugin.adopted == ("db", connection)
