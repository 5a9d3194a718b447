"""Objects in a plugin's state whose own methods fail, wherever they are held: the reload goes live
and passes them on, or the old generation is as it was; no later save is stopped by them."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin

METHODS = {
    "__setstate__": "def __setstate__(self, state):",
    "__getstate__": "def __getstate__(self):",
    "__reduce_ex__": "def __reduce_ex__(self, protocol):",
    "__eq__": "__hash__ = object.__hash__\n    def __eq__(self, other):",
    "__hash__": "def __hash__(self):",
    "__getattr__": "def __getattr__(self, name):",
    "__getattribute__": "def __getattribute__(self, name):",
    "__repr__": "def __repr__(self):",
    "__class__": "@property\n    def __class__(self):",
    "__deepcopy__": "def __deepcopy__(self, memo):",
}
USUAL = {
    "__hash__": "return 7",
    "__eq__": "return self is other",
    "__reduce_ex__": "return object.__reduce_ex__(self, protocol)",
    "__getstate__": "return object.__getstate__(self)",
    "__setstate__": "self.__dict__.update(state or {})",
    "__getattr__": "raise AttributeError(name)",
    "__getattribute__": "return object.__getattribute__(self, name)",
    "__class__": "return type(self)",
}
OF_CLASSES = {
    "__call__ of the class": ("def __call__(cls, *given):", "return type.__call__(cls, *given)"),
    "__instancecheck__ of the class": ("def __instancecheck__(cls, one):", "return False"),
    "__getattribute__ of the class": (
        "def __getattribute__(cls, name):", "return type.__getattribute__(cls, name)"),
    "__hash__ of the class": (
        "__eq__ = type.__eq__\n    def __hash__(cls):", "return type.__hash__(cls)"),
}  # fmt: skip
FAULTS = {
    "an exception": "raise ValueError('fault')",
    "a base exception": "raise Odd('fault')",
    "SystemExit": "raise SystemExit(3)",
}
HOLDERS = {
    "itself": "{o}",
    "list": "[{o}]",
    "key": "{{'a': 1, {o}: 2, 'b': 3}}",
    "value": "{{'a': {o}}}",
    "set": "{{{o}, 5}}",
    "deque": "collections.deque([{o}])",
    "defaultdict": "collections.defaultdict(list, {{1: {o}}})",
    "named tuple": "Pair({o}, 2)",
    "dataclass": "Box({o})",
    "slots": "Tight({o})",
    "weak reference": "[(made := {o}), weakref.ref(made)]",
}
TOP = """
import collections, dataclasses, weakref

ARMED = False
Pair = collections.namedtuple("Pair", "a b")

class Odd(BaseException):
    pass

@dataclasses.dataclass(eq=False)
class Box:
    held: object

class Tight:
    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held

class Meta(type):
    {of_class}
        if ARMED:
            {fault}
        {usual_of_class}

class Hostile(metaclass=Meta):
    def __init__(self):
        object.__setattr__(self, "mark", 1)

    {method}
        if ARMED:
            {fault}
        {usual}
"""
ROUTES = """
@router.get("/arm/<int:on>")
def arm(on):
    global ARMED
    if on:
        self.changed = {made}
    self.good.append(on)
    ARMED = bool(on)
    return "done"
"""


def hostile(version: int, method: str, fault: str, holder: str) -> str:
    made = HOLDERS[holder].format(o="Hostile()")
    of_class = method in OF_CLASSES
    top = TOP.format(
        method=METHODS.get(method, "def nothing(self):"),
        usual=USUAL.get(method, "return 'it'"),
        of_class=OF_CLASSES[method][0] if of_class else "def nothing(cls):",
        usual_of_class=OF_CLASSES[method][1] if of_class else "return None",
        fault=fault,
    )
    return plugin("users", version, top=top, routes=ROUTES.format(made=made),
                  init=f"self.unchanged = {made}\nself.alias = self.unchanged\nself.good = []\n"
                       "self.changed = None")  # fmt: skip


def good(version: int) -> str:
    return plugin("users", version, init="self.good = []", routes="""
    @router.get("/good")
    def good():
        return self.good
    """)  # fmt: skip


def started(lab: Lab, text: str, *, timeout: float = 5) -> None:
    lab.settings(
        "safety:\n  trial_process: false\n  max_reload_attempts: 1\n"
        f"reload:\n  timeout: {timeout}\n"
    )
    lab.write("users", text)
    lab.start()
    assert lab.get("/users/arm/1").status_code == 200


def picture(lab: Lab) -> dict[str, Any]:
    """By identity, and two levels into what is held, without asking the objects anything."""
    generation = lab.generation("users")
    state = object.__getattribute__(generation.plugin, "__dict__")
    return {
        "generation": id(generation),
        "plugin": id(generation.plugin),
        "state": {name: (id(value), inner(value)) for name, value in state.items()},
    }


def inner(value: Any) -> list[Any]:
    if issubclass(type(value), dict):
        return [(id(k), id(v)) for k, v in value.items()]
    if issubclass(type(value), (list, tuple, set, deque)):
        return [id(v) for v in value]
    return []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("method", "holder"),
    [
        (m, h)
        for i, m in enumerate([*METHODS, *OF_CLASSES])
        for j, h in enumerate(HOLDERS)
        if (i + j) % 3 == 0 or h in ("itself", "key")
    ],
)
def test_an_object_that_fails_stops_no_save(lab: Lab, method: str, holder: str, fault: str) -> None:
    started(lab, hostile(1, method, FAULTS[fault], holder))
    before = lab.generation("users")
    held = picture(lab)
    failing = hostile(2, method, FAULTS[fault], holder) + "\n    def health_check(self): 1 / 0\n"
    assert not lab.save(("users", failing)).success  # type: ignore[union-attr]
    assert lab.generation("users") is before
    assert picture(lab) == held

    outcome = lab.save(("users", good(3)))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert lab.json("/users/good") == [1]
    assert "good" in (outcome.state.kept if outcome.state else ())


@pytest.mark.parametrize("method", ["__getstate__", "__reduce_ex__", "__class__", "__setstate__"])
def test_an_object_that_hangs_rolls_back_and_leaves_all_as_it_was(lab: Lab, method: str) -> None:
    text = hostile(1, method, "while ARMED: pass", "list")
    started(lab, text, timeout=0.5)
    held = picture(lab)
    failing = hostile(2, method, "while True: pass", "list").replace("if ARMED", "if True")
    outcome = lab.save(("users", failing))
    assert outcome is not None
    assert outcome.rolled_back
    assert "did not finish within" in str(outcome.error)
    assert picture(lab) == held
    assert lab.get("/users/arm/0").status_code == 200
    outcome = lab.save(("users", good(3)))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert lab.json("/users/good") == [1, 0]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_given_to_the_new_code_is_lost_and_named(lab: Lab, fault: str) -> None:
    started(lab, hostile(1, "__setstate__", FAULTS[fault], "value"))
    failing = hostile(2, "__setstate__", FAULTS[fault], "value").replace("if ARMED", "if True")
    outcome = lab.save(("users", failing))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert outcome.state is not None
    assert "changed" in outcome.state.lost
    assert "good" in outcome.state.kept
