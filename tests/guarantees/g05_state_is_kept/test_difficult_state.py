"""State that is hard to read: deep, changing, guarded by code of the plugin."""

from __future__ import annotations

import sys
import threading

from devserver.runtime.attributes import state_of
from tests.integration.lab import Lab, plugin, wait_for


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


def test_a_long_chain_of_instances_is_kept_and_rebound(lab: Lab) -> None:
    top = "class Node:\n    following = None"
    lab.write("users", plugin("users", top=top, init="self.head = None"))
    lab.start()
    users = lab.generation("users").plugin
    kind = sys.modules["plugins.users.plugin"].Node
    for _ in range(3_000):
        node = kind()
        node.following, users.head = users.head, node
    outcome = lab.save(("users", plugin("users", 2, top=top, init="self.head = None")))
    assert outcome is not None
    assert outcome.state.kept == ("head",)
    node, kinds = lab.generation("users").plugin.head, set()
    while node is not None:
        kinds.add(type(node))
        node = node.following
    assert kinds == {sys.modules["plugins.users.plugin"].Node}


def test_state_that_a_thread_keeps_changing_is_kept(lab: Lab) -> None:
    parts = {"top": "class Item: pass", "init": "self.items = {}"}
    lab.write("users", plugin("users", **parts))
    lab.start()
    users = lab.generation("users").plugin
    kind = sys.modules["plugins.users.plugin"].Item
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            users.items[number % 3000] = kind()
            users.items.pop((number * 7) % 3000, None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        wait_for(lambda: len(users.items) > 1000)
        outcome = lab.save(("users", plugin("users", 2, **parts)))
    finally:
        stop.set()
        thread.join()
    assert outcome is not None
    assert outcome.state.kept == ("items",)
    new = sys.modules["plugins.users.plugin"].Item
    assert {type(item) for item in lab.generation("users").plugin.items.values()} == {new}


def test_attributes_are_read_without_running_code_of_the_plugin(lab: Lab) -> None:
    parts = {
        "top": "class Base(BasePlugin):\n    __slots__ = ('unset', 'count')",
        "init": "self.count = 0",
        "body": """
            def __getattr__(self, name):
                raise RuntimeError(name)
            @property
            def total(self):
                raise RuntimeError("total")
        """,
    }
    text = plugin("users", **parts).replace("class Users(BasePlugin)", "class Users(Base)")
    lab.write("users", text)
    lab.start()
    state = state_of(lab.generation("users"))
    assert set(state) == {"count", "hits", "greeting"}


def test_an_equal_object_of_the_plugins_own_class_counts_as_unchanged(lab: Lab) -> None:
    top = """
        class Point:
            def __init__(self, x):
                self.x = x
    """
    lab.write("users", plugin("users", top=top, init="self.point = Point(1)"))
    lab.start()
    lab.generation("users").plugin.point = sys.modules["plugins.users.plugin"].Point(1)
    outcome = lab.save(("users", plugin("users", 2, top=top, init="self.point = Point(2)")))
    assert outcome is not None
    assert "point" in outcome.state.merged
    assert lab.generation("users").plugin.point.x == 2
