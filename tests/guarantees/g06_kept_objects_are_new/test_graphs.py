"""Object graphs of any shape are after a reload the same graphs, of new classes."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.lab import Lab, plugin

TOP = """
from collections import deque
from dataclasses import dataclass, field

class Node:
    def __init__(self, number):
        self.number = number
        self.parts = []

class Slots:
    __slots__ = ("number", "parts", "__weakref__")
    def __init__(self, number):
        self.number = number
        self.parts = []

@dataclass(eq=False)
class Data:
    number: int
    parts: list = field(default_factory=list)

class Table(dict):
    def __init__(self, number):
        self.number = number
        self.parts = []

class Row(list):
    def __init__(self, number):
        self.number = number
        self.parts = self

class Keyed:
    def __init__(self, number):
        self.number = number
        self.parts = []
    def __eq__(self, other):
        return type(other) is type(self) and other.number == self.number
    def __hash__(self):
        return hash(self.number)
"""
KINDS = ("Node", "Slots", "Data", "Table", "Row", "Keyed")
HOLDERS = ("itself", "list", "tuple", "dict", "key", "set", "deque", "weak")


@dataclass(frozen=True)
class Drawn:
    """`kinds` of the objects, and edges: from, to, and what the target is held in."""

    kinds: list[str]
    edges: list[tuple[int, int, str]]


@st.composite
def graphs(draw: st.DrawFn) -> Drawn:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8))
    place = st.integers(0, len(kinds) - 1)
    edge = st.tuples(place, place, st.sampled_from(HOLDERS))
    return Drawn(kinds, draw(st.lists(edge, max_size=16)))


def build(drawn: Drawn, module: Any) -> list[Any]:
    """All objects, connected."""
    objects = [getattr(module, kind)(n) for n, kind in enumerate(drawn.kinds)]
    for source, target, holder in drawn.edges:
        held = _held(objects[target], holder, module)
        if held is not None:
            objects[source].parts.append(held)
    return objects


def _held(target: Any, holder: str, module: Any) -> Any:
    hashable = type(target).__hash__ is not None
    match holder:
        case "list":
            return [target]
        case "tuple":
            return (target, target)
        case "dict":
            return {"a": target}
        case "key":
            return {target: 1} if hashable else None
        case "set":
            return {target} if hashable else None
        case "deque":
            return module.deque([target])
        case "weak":
            return weakref.ref(target) if hasattr(target, "__weakref__") else None
    return target


def shape(root: Any) -> list[Any]:
    """What the graph is like: every object once, in the order in which it is met, with its kind
    and the numbers of those that it holds."""
    numbers = {id(root): 0}
    found, waiting = [], [root]
    for value in waiting:  # grows meanwhile
        inner = _inner(value)
        for part in inner:
            if id(part) not in numbers and not isinstance(part, (int, str)):
                numbers[id(part)] = len(waiting)
                waiting.append(part)
        found.append((type(value).__name__, [numbers.get(id(p), p) for p in inner]))
    return found


def _inner(value: Any) -> list[Any]:
    if isinstance(value, weakref.ReferenceType):
        return [value()]
    inner: list[Any] = [] if not hasattr(value, "number") else [value.number, value.parts]
    if isinstance(value, dict):
        return [*inner, *value.keys(), *value.values()]
    return inner if hasattr(value, "number") and not isinstance(value, list) else [*inner, *value]


def classes(root: Any) -> set[type]:
    """Of all instances of the plugin's classes in the graph."""
    seen, waiting = {id(root)}, [root]
    for value in waiting:  # grows meanwhile
        for part in _inner(value):
            if id(part) not in seen and not isinstance(part, (int, str)):
                seen.add(id(part))
                waiting.append(part)
    return {type(v) for v in waiting if hasattr(v, "number")}


@pytest.fixture
def versions(lab: Lab) -> Any:
    """Reloads with the next version, and gives the new plugin and its module."""
    made = [1]
    lab.write("users", plugin("users", 1, top=TOP, init="self.kept = None\nself.also = None"))
    lab.start()

    def reload() -> Any:
        made[0] += 1
        text = plugin("users", made[0], top=TOP, init="self.kept = None\nself.also = None")
        outcome = lab.save(("users", text))
        assert outcome is not None
        assert outcome.success, outcome.error
        assert outcome.state.lost == outcome.state.passed == ()
        return lab.generation("users").plugin

    reload.plugin = lambda: lab.generation("users").plugin  # type: ignore[attr-defined]
    return reload


@given(drawn=graphs())
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_graph_has_its_shape_and_its_sharing_and_new_classes(versions: Any, drawn: Drawn) -> None:
    module = sys.modules["plugins.users.plugin"]
    users = versions.plugin()
    users.kept = build(drawn, module)
    users.also = {"last": users.kept[-1], "all": users.kept}
    before = shape([users.kept, users.also])
    users = versions()
    module = sys.modules["plugins.users.plugin"]
    assert shape([users.kept, users.also]) == before
    assert users.also["all"] is users.kept
    assert classes(users.kept) == {getattr(module, kind) for kind in drawn.kinds}
