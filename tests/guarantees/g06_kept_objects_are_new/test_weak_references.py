"""A kept weak reference refers to the new object, and keeps it alive no more than the old one."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin

TOP = """
import weakref

class Node:
    def __init__(self, name):
        self.name = name
    def show(self):
        return VERSION
"""
INIT = "self.strong = []\nself.weak = {}"


def source(version: int) -> str:
    return plugin("users", version, top=TOP, init=INIT)


@pytest.fixture
def nodes(lab: Lab) -> Lab:
    """One node is held by the plugin, another by nobody for long."""
    lab.write("users", source(1))
    lab.start()
    users = lab.generation("users").plugin
    kept, lonely = (sys.modules["plugins.users.plugin"].Node(n) for n in ("kept", "lonely"))
    users.strong.append(kept)
    users.weak |= {
        "ref": weakref.ref(kept),
        "method": weakref.WeakMethod(kept.show),
        "proxy": weakref.proxy(kept),
        "values": weakref.WeakValueDictionary(a=kept),
        "keys": weakref.WeakKeyDictionary({kept: "a"}),
        "set": weakref.WeakSet([kept]),
        "lonely": weakref.ref(lonely),
        "lonely method": weakref.WeakMethod(lonely.show),
        "lonely proxy": weakref.proxy(lonely),
        "lonely values": weakref.WeakValueDictionary(a=lonely),
        "lonely keys": weakref.WeakKeyDictionary({lonely: "a"}),
        "lonely set": weakref.WeakSet([lonely]),
    }
    kept.me, kept.users = weakref.ref(kept), weakref.proxy(users)
    del lonely
    return lab


def reloaded(lab: Lab, version: int = 2) -> Any:
    outcome = lab.save(("users", source(version)))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert set(outcome.state.kept) == {"strong", "weak"}
    return lab.generation("users").plugin


def test_weak_references_to_a_kept_object_refer_to_the_new_one(nodes: Lab) -> None:
    users = reloaded(nodes)
    (node,), weak = users.strong, users.weak
    assert type(node) is sys.modules["plugins.users.plugin"].Node
    assert weak["ref"]() is node
    assert weak["method"]()() == 2
    assert weak["proxy"].name == "kept"
    assert weak["proxy"].show() == 2
    assert weak["values"]["a"] is node
    assert dict(weak["keys"]) == {node: "a"}
    assert list(weak["set"]) == [node]
    assert node.me() is node
    assert node.users.strong[0] is node


def test_weak_references_to_a_dead_object_are_dead(nodes: Lab) -> None:
    weak = reloaded(nodes).weak
    assert weak["lonely"]() is None
    assert weak["lonely method"]() is None
    with pytest.raises(ReferenceError):
        str(weak["lonely proxy"].name)
    assert [len(weak[f"lonely {kind}"]) for kind in ("values", "keys", "set")] == [0, 0, 0]


def test_weak_references_keep_nothing_alive(nodes: Lab) -> None:
    users = reloaded(nodes)
    users.strong.clear()
    gc.collect()
    weak = users.weak
    assert weak["ref"]() is None
    assert weak["method"]() is None
    assert [len(weak[kind]) for kind in ("values", "keys", "set")] == [0, 0, 0]


def test_an_object_that_only_weak_references_know_is_not_kept_by_the_reload(nodes: Lab) -> None:
    users = nodes.generation("users").plugin
    outside = sys.modules["plugins.users.plugin"].Node("held by a request")
    users.weak["outside"] = weakref.ref(outside)
    gone = reloaded(nodes).weak["outside"]
    gc.collect()
    assert gone() is None


def test_weak_references_outlive_any_number_of_reloads(nodes: Lab) -> None:
    for version in (2, 3, 4):
        users = reloaded(nodes, version)
        assert users.weak["ref"]().show() == version
        assert users.weak["values"]["a"] is users.strong[0]
