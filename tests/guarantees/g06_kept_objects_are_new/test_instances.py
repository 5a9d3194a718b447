"""Kept instances are of the new classes, kept references to the new code."""

from __future__ import annotations

import sys

import pytest

from tests.integration.lab import Lab, plugin

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
