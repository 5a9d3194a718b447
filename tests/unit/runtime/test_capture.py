"""Values taken from one generation of a module, and bound to the next."""

from __future__ import annotations

import importlib.machinery
import sys
import textwrap
import threading
import types
from typing import Any

import pytest

from devserver.runtime.capture import Capture
from devserver.runtime.fingerprint import fingerprint
from devserver.runtime.modules import GenerationLoader
from devserver.runtime.release import Release, Vanished

NAME = "plugins.users.plugin"


class _Loader(GenerationLoader):
    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str | None:
        return self._source


def module(source: str) -> types.ModuleType:
    """A generation of the module."""
    source = textwrap.dedent(source)
    made: Any = types.ModuleType(NAME)
    made.__file__ = "/plugins/users/plugin.py"
    made.__loader__ = _Loader(source)
    made.__spec__ = importlib.machinery.ModuleSpec(NAME, None)
    exec(compile(source, made.__file__, "exec", dont_inherit=True), vars(made))
    return made


def finder(of: types.ModuleType) -> Any:
    return {**sys.modules, NAME: of}.get


def carried(value: Any, old: types.ModuleType, new: types.ModuleType, **options: Any) -> Any:
    """`value` of the old module as it is in the new one."""
    capture = Capture({}, plugins=["users"], find_module=finder(old), **options)
    dumped = capture.dump(value)
    release = Release(
        dumped, passed=capture.passed, substitutes={}, find_module={NAME: new}.__getitem__
    )
    return release.load_all()


def print_of(value: Any, of: types.ModuleType) -> bytes:
    return fingerprint(value, {}, finder(of))


# -- leaves that cannot be copied -----------------------------------------------------------------

LEAVES = """
    import functools, threading, typing
    V = {version}
    T = typing.TypeVar("T")
    class Node:
        pass
    def f(x):
        return V
    @functools.lru_cache
    def known(x):
        return V
    class Raises:
        def __reduce_ex__(self, protocol):
            raise {error}
    class Names:
        def __reduce__(self):
            return "no such name"
    class Odd:
        def __reduce__(self):
            return 3
    class Items(dict):
        def __reduce_ex__(self, protocol):
            return Items, (), None, None, (1 / 0 for _ in "a")
"""


@pytest.mark.parametrize("leaf", ["Raises()", "Names()", "Odd()", "Items()", "threading.Lock()"])
def test_one_bad_leaf_does_not_keep_what_is_beside_it_from_being_rebound(leaf: str) -> None:
    old, new = (module(LEAVES.format(version=v, error="ValueError('no')")) for v in (1, 2))
    value = {"node": old.Node(), "leaf": eval(leaf, vars(old))}
    after = carried(value, old, new)
    assert type(after["node"]) is new.Node
    assert after["leaf"] is value["leaf"]


def test_functions_behind_a_cache_are_rebound() -> None:
    old, new = (module(LEAVES.format(version=v, error="ValueError")) for v in (1, 2))
    cache = old.functools.lru_cache(maxsize=7)(old.f)
    assert (cache(0), old.known(0)) == (1, 1)
    after, known = carried([cache, old.known], old, new)
    assert after(0) == 2
    assert after.cache_parameters() == {"maxsize": 7, "typed": False}
    assert known is new.known


def test_a_type_variable_is_the_new_one() -> None:
    old, new = (module(LEAVES.format(version=v, error="ValueError")) for v in (1, 2))
    assert carried([old.T], old, new) == [new.T]
    assert new.T is not old.T


def test_a_read_only_view_is_copied() -> None:
    old, new = (module(LEAVES.format(version=v, error="ValueError")) for v in (1, 2))
    after = carried(types.MappingProxyType({"a": old.Node()}), old, new)
    assert type(after["a"]) is new.Node


# -- long chains ----------------------------------------------------------------------------------

CHAIN = """
    from dataclasses import dataclass
    class Node:
        def __init__(self, value, following):
            self.value, self.following = value, following
    @dataclass(frozen=True)
    class Key:
        name: str
"""


def chain(of: types.ModuleType, length: int) -> Any:
    head = None
    for value in range(length):
        head = of.Node(value, head)
    return head


def test_a_chain_of_any_length_is_rebound() -> None:
    old, new = module(CHAIN), module(CHAIN)
    head = chain(old, 20_000)
    with pytest.raises(RecursionError):
        carried(head, old, new)
    node, seen = carried(head, old, new, deferred=True), 0
    while node is not None:
        assert type(node) is new.Node
        node, seen = node.following, seen + 1
    assert seen == 20_000


def test_instances_that_are_keys_have_their_state_when_they_are_hashed() -> None:
    old, new = module(CHAIN), module(CHAIN)
    value = {"keys": {old.Key("a"): 1}, "node": old.Node({old.Key("b")}, None)}
    after = carried(value, old, new, deferred=True)
    assert after["keys"][new.Key("a")] == 1
    assert after["node"].value == {new.Key("b")}


def test_a_change_at_the_head_of_a_long_chain_is_noticed() -> None:
    old = module(CHAIN)
    head = chain(old, 5_000)
    before = print_of(head, old)
    assert print_of(head, old) == before
    head.value = "changed"
    assert print_of(head, old) != before


# -- functions ------------------------------------------------------------------------------------


def test_a_lambda_is_that_of_the_new_code() -> None:
    source = """
        from collections import defaultdict
        V = {}
        def make():
            return defaultdict(lambda: V)
    """
    old, new = module(source.format(1)), module(source.format(2))
    values = old.make()
    assert values["a"] == 1
    after = carried(values, old, new)
    assert (after["a"], after["b"]) == (1, 2)
    assert after.default_factory.__globals__ is vars(new)


def test_closures_keep_what_they_hold_and_what_they_share() -> None:
    source = """
        def make(start):
            count = start
            def add(by=1, *, times=2):
                nonlocal count
                count += by * times
                return count
            def show():
                return "{} %d" % count
            return add, show
    """
    old, new = module(source.format("old")), module(source.format("new"))
    add, show = old.make(5)
    add()
    add, show = carried((add, show), old, new)
    assert show() == "new 7"
    assert add() == 9
    assert show() == "new 9"


def test_a_function_that_refers_to_itself_is_rebound() -> None:
    source = """
        def make():
            def fact(n):
                return {} if n < 2 else n * fact(n - 1)
            return fact
    """
    old, new = module(source.format(1)), module(source.format(10))
    after = carried(old.make(), old, new)
    assert after(3) == 60
    assert after.__closure__[0].cell_contents is after


def test_of_two_lambdas_at_one_place_the_unchanged_one_is_found() -> None:
    source = """
        V = {}
        def make():
            return [lambda: V, lambda: -V]
    """
    old, new = module(source.format(1)), module(source.format(2))
    assert [f() for f in carried(old.make(), old, new)] == [2, -2]


def test_a_lambda_without_a_counterpart_goes_as_it_is() -> None:
    old = module("def make(x):\n    return lambda: x\n")
    new = module("def make(x):\n    y = x\n    return lambda: (x, y)\n")
    value = old.make(1)
    assert carried(value, old, new) is value


def test_a_lambda_whose_parameters_changed_does_not_get_the_defaults_of_others() -> None:
    old = module("def make():\n    return lambda a, b=1: (a, b)\n")
    new = module("def make():\n    return lambda a, b=1, c=2: (a, b, c)\n")
    value = old.make()
    assert carried(value, old, new) is value


def test_a_method_of_a_base_class_stays_that_of_the_base_class() -> None:
    source = """
        class Base:
            def show(self): return "base {0}"
        class Derived(Base):
            def show(self): return "derived {0}"
            def __own(self): return "own {0}"
            def methods(self): return super().show, self.__own
    """
    old, new = module(source.format(1)), module(source.format(2))
    show, own = carried(old.Derived().methods(), old, new)
    assert show() == "base 2"
    assert own() == "own 2"
    assert show.__self__ is own.__self__


# -- instances ------------------------------------------------------------------------------------


def test_a_field_in_the_middle_of_a_frozen_dataclass_moves_no_value() -> None:
    source = """
        from dataclasses import dataclass
        @dataclass(frozen=True, slots=True)
        class Item:
            a: int
            {}
            c: int = 0
    """
    old, new = module(source.format("pass")), module(source.format("b: int = 7"))
    assert carried(old.Item(1, 3), old, new) == new.Item(1, 7, 3)


@pytest.mark.parametrize("options", ["", "slots=True", "frozen=True", "frozen=True, slots=True"])
def test_new_fields_of_a_dataclass_have_their_defaults(options: str) -> None:
    source = """
        from dataclasses import dataclass, field
        @dataclass({})
        class Item:
            a: int
            {}
    """
    more = "tags: list = field(default_factory=list); n: int = 3"
    old, new = module(source.format(options, "pass")), module(source.format(options, more))
    first, second = carried([old.Item(1), old.Item(2)], old, new)
    assert first == new.Item(1, [], 3)
    assert first.tags is not second.tags


def test_new_fields_of_a_pydantic_model_have_their_defaults() -> None:
    source = """
        import pydantic
        class Item(pydantic.BaseModel):
            a: int
            {}
    """
    old, new = module(source.format("pass")), module(source.format("b: list = [3]"))
    assert carried(old.Item(a=1), old, new) == new.Item(a=1, b=[3])


def test_slots_may_come_and_go() -> None:
    source = "class Item:\n    __slots__ = ({})\n"
    old, new = module(source.format("'a', 'b'")), module(source.format("'b', 'c'"))
    item = old.Item()
    item.a, item.b = 1, 2
    after = carried(item, old, new)
    assert after.b == 2
    assert not hasattr(after, "a")
    assert not hasattr(after, "c")


def test_a_class_may_get_slots_and_lose_them() -> None:
    plain, slotted = "class Item:\n    pass\n", "class Item:\n    __slots__ = ('a',)\n"
    for before, after in ((plain, slotted), (slotted, plain)):
        old, new = module(before), module(after)
        item = old.Item()
        item.a = 1
        assert carried(item, old, new).a == 1


def test_a_field_in_the_middle_of_a_named_tuple_moves_no_value() -> None:
    source = """
        from typing import NamedTuple
        class Point(NamedTuple):
            x: int
            {}
            y: int = 0
    """
    old, new = module(source.format("pass")), module(source.format("z: int = 9"))
    assert carried(old.Point(1, 2), old, new) == new.Point(1, 9, 2)


def test_members_of_an_enum_go_by_name_and_then_by_value() -> None:
    source = """
        from enum import Enum, Flag, auto
        class Colour(Enum):
            {} = auto()
            BLUE = auto()
        class Way(Flag):
            {}
            IN = auto()
            OUT = auto()
    """
    old = module(source.format("RED", "pass"))
    new = module(source.format("NEW = auto()\n            CRIMSON", "UP = auto()"))
    assert carried(old.Colour.BLUE, old, new) is new.Colour.BLUE
    assert carried(old.Way.IN | old.Way.OUT, old, new) == new.Way.IN | new.Way.OUT
    renamed = module(source.format("CRIMSON", "pass"))
    assert carried(old.Colour.RED, old, renamed) is renamed.Colour.CRIMSON


def test_instances_of_a_class_of_an_earlier_generation_are_rebound_too() -> None:
    source = "class Node:\n    pass\ndef f():\n    pass\n"
    earliest, old, new = module(source), module(source), module(source)
    node, function = carried([earliest.Node(), earliest.f], old, new)
    assert type(node) is new.Node
    assert function is new.f


def test_a_class_that_is_gone_is_told() -> None:
    old, new = module("class Node:\n    pass\n"), module("")
    with pytest.raises(Vanished, match=r"plugin\.Node is not in the new code"):
        carried(old.Node(), old, new)


# -- fingerprints ---------------------------------------------------------------------------------


def test_what_can_be_seen_of_a_resource_is_part_of_its_fingerprint() -> None:
    source = """
        import queue, threading
        class Holder:
            def __init__(self):
                self.jobs, self.ready = queue.Queue(), threading.Event()
    """
    old = module(source)
    holder = old.Holder()
    prints = [print_of(holder, old)]
    holder.jobs.put(1)
    prints.append(print_of(holder, old))
    holder.ready.set()
    prints.append(print_of(holder, old))
    assert len(set(prints)) == 3
    assert print_of(holder, old) == prints[2]


def test_another_lock_in_a_circle_is_another_fingerprint() -> None:
    circle: dict[str, Any] = {"lock": threading.Lock()}
    circle["self"] = circle
    before = print_of(circle, module(""))
    assert print_of(circle, module("")) == before
    circle["lock"] = threading.Lock()
    assert print_of(circle, module("")) != before


def test_met_tells_which_watched_objects_a_value_holds() -> None:
    inner, outside = [1], [2]
    capture = Capture({}, plugins=[], find_module=sys.modules.get, watched={id(inner), id(outside)})
    capture.dump({"a": [inner]})
    assert capture.met == {id(inner)}
