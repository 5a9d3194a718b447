"""State is kept, edits are seen."""

from __future__ import annotations

import sys
import threading

import pytest

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


def test_a_resource_that_initialize_opens_anew_is_not_overwritten(lab: Lab) -> None:
    body = """
        def initialize(self):
            import threading
            self.lock = threading.Lock()
    """
    lab.write("users", plugin("users", body=body))
    lab.start()
    old = lab.generation("users").plugin.lock = threading.Lock()
    lab.save(("users", plugin("users", 2, body=body)))
    assert lab.generation("users").plugin.lock is not old


MODELS = """
import enum
from collections import namedtuple
from dataclasses import dataclass, field

class Colour(enum.Enum):
    RED = 1
    {member}

Point = namedtuple("Point", "x y")

@dataclass
class User:
    name: str
    friends: list = field(default_factory=list)
    def show(self):
        return "{version} " + self.name

class Slotted:
    __slots__ = ("value",)
    def __init__(self, value):
        self.value = value
    def show(self):
        return "{version} %s" % self.value

def greet(user):
    return "{version} hello " + user.name

class Registry(dict):
    def show(self):
        return "{version}"
"""


def models(version: str, member: str = "") -> str:
    return MODELS.format(version=version, member=member)


@pytest.fixture
def kept(lab: Lab) -> Lab:
    top = "from . import models"
    lab.write("users", plugin("users", top=top))
    lab.write("users/models.py", models("v1"))
    lab.start()
    module = sys.modules["plugins.users.models"]
    ada = module.User("ada")
    ada.friends.append(ada)  # a circle
    users = lab.generation("users").plugin
    users.ada = ada
    users.everybody = {"list": [ada], "tuple": (module.Slotted(3),), "set": {module.Colour.RED}}
    users.greet = module.greet
    users.method = ada.show
    users.kind = module.User
    users.module = module
    users.point = module.Point(1, 2)
    users.registry = module.Registry(a=ada)
    users.myself = users
    return lab


def test_kept_instances_are_of_the_new_classes(kept: Lab) -> None:
    assert kept.save(("users/models.py", models("v2", "GREEN = 2"))).success
    users = kept.generation("users").plugin
    module = sys.modules["plugins.users.models"]
    assert type(users.ada) is module.User
    assert users.ada.show() == "v2 ada"
    assert users.ada.friends[0] is users.ada
    assert users.everybody["list"][0] is users.ada
    assert users.everybody["tuple"][0].show() == "v2 3"
    assert users.everybody["set"] == {module.Colour.RED}
    assert users.registry["a"] is users.ada
    assert users.registry.show() == "v2"
    assert type(users.point) is module.Point


def test_kept_references_are_to_the_new_code(kept: Lab) -> None:
    assert kept.save(("users/models.py", models("v2"))).success
    users = kept.generation("users").plugin
    module = sys.modules["plugins.users.models"]
    assert users.greet is module.greet
    assert users.method() == "v2 ada"
    assert users.method.__self__ is users.ada
    assert users.kind is module.User
    assert users.module is module
    assert users.myself is users


def test_objects_that_plugins_share_stay_shared(kept: Lab) -> None:
    kept.save(
        (
            "orders",
            plugin("orders", top="from plugins.users.models import User", init="self.buyer = None"),
        )
    )
    kept.generation("orders").plugin.buyer = kept.generation("users").plugin.ada
    outcome = kept.save(("users/models.py", models("v2")))
    assert outcome is not None
    assert outcome.reloaded == ("users", "orders")
    assert "orders.buyer" in outcome.state.kept
    buyer = kept.generation("orders").plugin.buyer
    assert buyer is kept.generation("users").plugin.ada
    assert buyer.show() == "v2 ada"


def test_an_object_of_a_plugin_that_stays_is_the_same_afterwards(kept: Lab) -> None:
    kept.save(
        (
            "orders",
            plugin("orders", top="from plugins.users.models import User", init="self.buyer = None"),
        )
    )
    ada = kept.generation("users").plugin.ada
    kept.generation("orders").plugin.buyer = ada
    text = kept.path("orders").read_text()
    assert kept.save(("orders", text + "\n# edited\n")).success
    assert kept.generation("orders").plugin.buyer is ada


def test_what_the_new_code_lacks_is_lost_and_named(kept: Lab) -> None:
    outcome = kept.save(("users/models.py", models("v2").replace("class Registry", "class Other")))
    assert outcome is not None
    assert outcome.success
    assert outcome.state.lost == ("registry",)
    users = kept.generation("users").plugin
    assert not hasattr(users, "registry")
    assert users.ada.show() == "v2 ada"


def test_state_of_a_rolled_back_reload_is_the_very_same(kept: Lab) -> None:
    users = kept.generation("users").plugin
    before = dict(vars(users))
    text = models("v2") + "\nimport atexit\nraise ValueError\n"
    assert not kept.save(("users/models.py", text)).success
    assert all(vars(users)[name] is value for name, value in before.items())
    assert users.ada.show() == "v1 ada"


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


def test_an_attribute_that_cannot_be_pickled_goes_by_reference(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    users = lab.generation("users").plugin
    users.stream = (n for n in range(3))
    users.queue = __import__("queue").Queue()
    users.deep = deep = []
    for _ in range(50_000):
        deep.append([])
        deep = deep[0]
    stream, queue, bottom = users.stream, users.queue, users.deep
    outcome = lab.save(("users", plugin("users", 2)))
    assert outcome is not None
    assert outcome.success
    users = lab.generation("users").plugin
    assert users.stream is stream
    assert users.queue is queue
    assert users.deep is bottom
    assert {"stream", "queue"} <= set(outcome.state.passed)
