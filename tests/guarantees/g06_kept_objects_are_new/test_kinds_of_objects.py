"""Instances of every kind of class, in every kind of container."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin

MODELS = '''
import abc, collections, enum, functools, typing
from dataclasses import dataclass, field
from pydantic import BaseModel

VERSION = {version}

class Base:
    def show(self):
        return VERSION

class Bare:
    __slots__ = ()
    def show(self):
        return VERSION

class Plain(Base):
    def __init__(self, name="plain"):
        self.name = name

class Slots(Bare):
    __slots__ = ("name",)
    def __init__(self, name="slots"):
        self.name = name

class Mixed(Slots):
    """Has a dict, too."""

@dataclass
class Data(Base):
    name: str = "data"
    tags: list = field(default_factory=list)

@dataclass(frozen=True)
class Frozen(Base):
    name: str = "frozen"

@dataclass(slots=True)
class SlottedData(Base):
    name: str = "slotted"

@dataclass(frozen=True, slots=True, kw_only=True)
class Strict(Base):
    name: str

class Model(BaseModel):
    name: str = "model"
    parts: list["Model"] = []
    def show(self):
        return VERSION

class Abstract(Base, abc.ABC):
    @abc.abstractmethod
    def run(self): ...

class Concrete(Abstract):
    def run(self):
        return 1

T = typing.TypeVar("T")

class Box(Base, typing.Generic[T]):
    def __init__(self, item):
        self.item = item

class Outer(Base):
    class Inner(Base):
        pass

class Colour(enum.Enum):
    RED = "r"
    def show(self):
        return VERSION

class Level(enum.IntEnum):
    HIGH = 3
    def show(self):
        return VERSION

class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    def show(self):
        return VERSION

class Point(typing.NamedTuple):
    x: int
    y: int = 0
    def show(self):
        return VERSION

class Names(list, Base): pass
class Table(dict, Base): pass
class Group(set, Base): pass
class Text(str, Base): pass
class Number(int, Base): pass
class Counts(collections.Counter, Base): pass
class Ordered(collections.OrderedDict, Base): pass
class Wrapped(collections.UserDict, Base): pass

class Refused(Exception, Base):
    def __init__(self, code, reason):
        super().__init__("refused: " + reason)
        self.code = code

class Lazy(Base):
    @property
    def name(self):
        return VERSION
    @functools.cached_property
    def cached(self):
        return [Plain("cached")]

def everything():
    lazy = Lazy()
    lazy.cached
    strict, plain = Strict(name="s"), Plain()
    names = Names([plain])
    names.owner = plain
    return {{
        "plain": plain, "slots": Slots(), "mixed": Mixed(), "data": Data(tags=[Data("x")]),
        "frozen": Frozen(), "slotted": SlottedData(), "strict": strict,
        "model": Model(parts=[Model(name="part")]), "concrete": Concrete(),
        "box": Box[int](Plain("boxed")), "inner": Outer.Inner(), "colour": Colour.RED,
        "level": Level.HIGH, "rights": Rights.READ | Rights.WRITE, "point": Point(1),
        "names": names, "table": Table(a=plain), "group": Group([strict]),
        "text": Text("t"), "number": Number(7), "counts": Counts("aab"),
        "ordered": Ordered(b=plain), "wrapped": Wrapped(a=plain), "refused": Refused(4, "no"),
        "lazy": lazy,
    }}

def containers():
    plain = Plain("shared")
    return plain, {{
        "list": [plain], "tuple": (plain,), "dict": {{"k": plain}}, "keys": {{plain: 1}},
        "set": {{plain}}, "frozenset": frozenset([plain]), "nested": [{{"a": ({{1: plain}},)}}],
        "deque": collections.deque([plain], 5), "ordered": collections.OrderedDict(a=plain),
        "default": collections.defaultdict(Plain, a=plain),
        "chain": collections.ChainMap({{"a": plain}}), "user": collections.UserList([plain]),
        "partial": functools.partial(plain.show), "with": functools.partial(print, plain),
        "method": plain.show, "error": ValueError(plain),
    }}

def class_of(name):
    return {{type(v).__name__: type(v) for v in everything().values()}}[name]
'''


def models(version: int) -> str:
    return MODELS.format(version=version)


def module() -> Any:
    return sys.modules["plugins.users.models"]


@pytest.fixture
def users(lab: Lab) -> Lab:
    lab.write("users", plugin("users", top="from . import models", init="self.kept = None"))
    lab.write("users/models.py", models(1))
    lab.start()
    return lab


def reloaded(lab: Lab, version: int = 2) -> Any:
    outcome = lab.save(("users/models.py", models(version)))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert outcome.state.lost == ()
    return lab.generation("users").plugin.kept


def test_instances_of_every_kind_of_class_are_of_the_new_class(users: Lab) -> None:
    old = users.generation("users").plugin.kept = module().everything()
    new = reloaded(users)
    fresh = module().everything()
    assert list(new) == list(old)
    assert {n: type(v) for n, v in new.items()} == {n: type(v) for n, v in fresh.items()}
    assert {n: v.show() for n, v in new.items()} == dict.fromkeys(old, 2)
    assert all(new[n] is not v for n, v in old.items())


def test_instances_of_every_kind_have_what_they_had(users: Lab) -> None:
    users.generation("users").plugin.kept = module().everything()
    new = reloaded(users)
    same = ("data", "frozen", "slotted", "strict", "model", "colour", "level", "rights", "point",
            "text", "number", "counts")  # fmt: skip
    fresh = module().everything()
    assert {n: new[n] for n in same} == {n: fresh[n] for n in same}
    plain = new["plain"]
    assert (plain.name, new["slots"].name, new["mixed"].name) == ("plain", "slots", "slots")
    assert new["names"] == [plain]
    assert new["names"].owner is plain
    assert new["table"]["a"] is new["ordered"]["b"] is new["wrapped"]["a"] is plain
    assert new["group"] == {new["strict"]}
    assert (new["refused"].code, str(new["refused"])) == (4, "refused: no")
    assert new["lazy"].name == 2
    assert type(new["lazy"].cached[0]) is module().Plain
    assert type(new["box"].item) is module().Plain
    assert new["box"].__orig_class__.__origin__ is module().Box


def test_what_a_container_holds_is_new_and_the_same_object_everywhere(users: Lab) -> None:
    users.generation("users").plugin.kept = module().containers()
    plain, new = reloaded(users)
    assert type(plain) is module().Plain
    held = {
        "list": new["list"][0],
        "tuple": new["tuple"][0],
        "dict": new["dict"]["k"],
        "keys": next(iter(new["keys"])),
        "set": next(iter(new["set"])),
        "frozenset": next(iter(new["frozenset"])),
        "nested": new["nested"][0]["a"][0][1],
        "deque": new["deque"][0],
        "ordered": new["ordered"]["a"],
        "default": new["default"]["a"],
        "chain": new["chain"]["a"],
        "user": new["user"][0],
        "partial": new["partial"].func.__self__,
        "with": new["with"].args[0],
        "method": new["method"].__self__,
        "error": new["error"].args[0],
    }
    assert {name: value is plain for name, value in held.items()} == dict.fromkeys(new, True)
    assert plain in new["set"]
    assert new["keys"][plain] == 1
    assert new["deque"].maxlen == 5
    assert type(new["default"]["missing"]) is module().Plain
    assert (new["partial"](), new["method"]()) == (2, 2)


def test_instances_outlive_any_number_of_reloads(users: Lab) -> None:
    users.generation("users").plugin.kept = module().everything()
    for version in range(2, 8):
        new = reloaded(users, version)
        assert {v.show() for v in new.values()} == {version}


def test_an_instance_of_a_class_that_moved_is_found_in_its_new_module(users: Lab) -> None:
    users.generation("users").plugin.kept = module().Plain()
    moved = "class Plain:\n    def show(self):\n        return 'moved'\n"
    left = models(2).split("class Plain")[0]
    outcome = users.save(
        ("users/people.py", moved),
        ("users/models.py", left),
        ("users", plugin("users", 2, top="from . import models, people", init="self.kept = None")),
    )
    assert outcome is not None
    assert outcome.success, outcome.error
    assert outcome.state.kept == ("kept",)
    assert users.generation("users").plugin.kept.show() == "moved"


def test_an_instance_of_a_class_that_is_gone_is_lost_and_the_rest_is_kept(users: Lab) -> None:
    kept = users.generation("users").plugin
    kept.kept = [module().Plain()]
    kept.hits = 5
    outcome = users.save(("users/models.py", models(2).split("class Plain")[0]))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert outcome.state.lost == ("kept",)
    assert users.generation("users").plugin.kept is None
    assert users.generation("users").plugin.hits == 5


def test_a_generator_goes_by_reference_and_is_named(users: Lab) -> None:
    generator = users.generation("users").plugin.kept = (n for n in range(3))
    outcome = users.save(("users/models.py", models(2)))
    assert outcome is not None
    assert outcome.state.passed == ("kept",)
    assert users.generation("users").plugin.kept is generator


def test_a_class_that_was_made_in_a_function_is_told_as_what_stays_old(users: Lab) -> None:
    made = "def make():\n    class Local:\n        pass\n    return Local()\n"
    users.save(("users/models.py", models(1) + made))
    users.generation("users").plugin.kept = module().make()
    outcome = users.save(("users/models.py", models(2) + made))
    assert outcome is not None
    assert outcome.success
    assert any("make.<locals>.Local stay of the old class" in note for note in outcome.notes)
