"""State is kept, edits are seen."""

from __future__ import annotations

import sys
import threading

import pytest

from devserver.runtime.attributes import state_of
from tests.integration.lab import Lab, plugin, wait_for


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


# -- resources ------------------------------------------------------------------------------------

RESOURCES = """
    self.jobs = queue.Queue()
    self.ready = threading.Event()
    self.db = sqlite3.connect(":memory:", check_same_thread=False)
"""


def resources(version: int, init: str = RESOURCES, **parts: str) -> str:
    return plugin("users", version, top="import queue, sqlite3, threading", init=init, **parts)


def test_resources_that_init_makes_go_on_to_any_number_of_generations(lab: Lab) -> None:
    lab.write("users", resources(1))
    lab.start()
    first = lab.generation("users").plugin
    first.jobs.put("a job")
    first.ready.set()
    first.db.execute("create table t (x)")
    for version in (2, 3):
        outcome = lab.save(("users", resources(version)))
        assert outcome is not None
        assert outcome.state.passed == ("db", "jobs", "ready")
        users = lab.generation("users").plugin
        assert (users.jobs, users.ready, users.db) == (first.jobs, first.ready, first.db)
        assert users.db.execute("select count(*) from t").fetchone() == (0,)
    first.db.close()


@pytest.mark.parametrize(
    "body",
    [
        "def shutdown(self):\n    self.stop.set()",
        "def on_unload(self, ctx):\n    self.end()\ndef end(self):\n    self.stop.set()",
        "def initialize(self):\n    self.on_cleanup(self.stop.set)",
        "def initialize(self):\n    self.on_cleanup(lambda: self.stop.set())",
    ],
)
def test_a_resource_that_the_old_generation_ends_is_made_anew(lab: Lab, body: str) -> None:
    for_stop = "self.stop = threading.Event()"
    lab.write("users", resources(1, for_stop, body=body))
    lab.start()
    old = lab.generation("users").plugin.stop
    for version in (2, 3):
        outcome = lab.save(("users", resources(version, for_stop, body=body)))
        assert outcome is not None
        assert "stop" in outcome.state.merged
        new = lab.generation("users").plugin.stop
        assert new is not old
        assert not new.is_set()
        old = new


def test_a_resource_that_initialize_makes_is_that_of_the_new_generation(lab: Lab) -> None:
    body = """
        def initialize(self):
            if self.jobs is None:
                self.jobs = queue.Queue()
    """
    lab.write("users", resources(1, "self.jobs = None", body=body))
    lab.start()
    old = lab.generation("users").plugin.jobs
    lab.save(("users", resources(2, "self.jobs = None", body=body)))
    assert lab.generation("users").plugin.jobs is not old


def test_a_resource_that_the_new_code_makes_in_another_way_follows_the_code(lab: Lab) -> None:
    lab.write("users", resources(1, "self.jobs = queue.Queue(5)\nself.old = queue.Queue()"))
    lab.start()
    lab.save(("users", resources(2, "self.jobs = queue.Queue(9)")))
    users = lab.generation("users").plugin
    assert users.jobs.maxsize == 9
    assert not hasattr(users, "old")


def test_a_resource_with_contents_goes_on_whatever_the_new_code_makes(lab: Lab) -> None:
    """Not so where `initialize()` itself assigns it."""
    lab.write("users", resources(1, "self.limits = {'n': 1}\nself.jobs = queue.Queue(5)"))
    lab.start()
    jobs = lab.generation("users").plugin.jobs
    jobs.put(1)
    lab.save(("users", resources(2, "self.limits = {'n': 2}\nself.jobs = queue.Queue(9)")))
    users = lab.generation("users").plugin
    assert users.jobs is jobs
    assert users.limits == {"n": 2}


@pytest.mark.parametrize(
    "made",
    [
        "functools.lru_cache(self.answer)",
        "threading.Thread(target=self.answer)",
        "weakref.ref(self)",
        "lambda: VERSION",
        "concurrent.futures.ThreadPoolExecutor(1, initializer=self.answer)",
    ],
)
def test_what_runs_the_code_of_the_old_generation_is_made_anew(lab: Lab, made: str) -> None:
    top = "import concurrent.futures, functools, threading, weakref"
    parts = {"top": top, "init": f"self.made = {made}", "body": "def answer(self): return VERSION"}
    lab.write("users", plugin("users", **parts))
    lab.start()
    old = lab.generation("users").plugin.made
    outcome = lab.save(("users", plugin("users", 2, **parts)))
    assert outcome is not None
    assert "made" in outcome.state.merged
    assert lab.generation("users").plugin.made is not old


# -- references -----------------------------------------------------------------------------------


def test_an_object_that_changed_and_unchanged_attributes_share_stays_shared(lab: Lab) -> None:
    parts = {
        "top": "class Room: pass",
        "init": "self.default = Room()\nself.spare = Room()\nself.rooms = {}",
    }
    lab.write("users", plugin("users", **parts))
    lab.start()
    users = lab.generation("users").plugin
    users.rooms["a"] = users.default
    outcome = lab.save(("users", plugin("users", 2, **parts)))
    assert outcome is not None
    assert outcome.state.kept == ("default", "rooms")
    assert "spare" in outcome.state.merged
    users = lab.generation("users").plugin
    assert users.rooms["a"] is users.default


def test_what_a_hook_gives_of_unchanged_attributes_does_not_keep_them(lab: Lab) -> None:
    body = """
        def get_persistent_state(self):
            return {"options": self.options}
        def restore_persistent_state(self, state):
            pass
    """
    lab.write("users", plugin("users", init="self.options = {'n': 1}", body=body))
    lab.start()
    lab.save(("users", plugin("users", 2, init="self.options = {'n': 2}", body=body)))
    assert lab.generation("users").plugin.options == {"n": 2}


def test_a_provider_that_holds_a_dependent_holds_the_newest_one(lab: Lab) -> None:
    lab.write("users", plugin("users", init="self.seen = []"))
    parts = {"top": "import plugins.users.plugin", "body": "def answer(self): return VERSION"}
    lab.write("orders", plugin("orders", **parts))
    lab.start()
    orders = lab.generation("orders").plugin
    lab.generation("users").plugin.seen += [orders, orders.answer]
    assert lab.save(("orders", plugin("orders", 2, **parts))).success
    assert lab.save(("users", plugin("users", 2, init="self.seen = []"))).success
    instance, method = lab.generation("users").plugin.seen
    assert instance is lab.generation("orders").plugin
    assert method() == 2


def test_a_lambda_in_kept_state_is_that_of_the_new_code(lab: Lab) -> None:
    top = "from collections import defaultdict"
    init = "self.counts = defaultdict(lambda: VERSION)"
    lab.write("users", plugin("users", top=top, init=init))
    lab.start()
    assert lab.generation("users").plugin.counts["a"] == 1
    text = lab.path("users").read_text()
    assert lab.save(("users", text.replace("VERSION = 1", "VERSION = 2"))).success
    counts = lab.generation("users").plugin.counts
    assert (counts["a"], counts["b"]) == (1, 2)


def test_a_function_without_a_counterpart_is_reported_as_passed(lab: Lab) -> None:
    routes = """
        @router.get("/choose")
        def choose():
            self.choice = lambda: {answer}
            return "chosen"
    """
    lab.write("users", plugin("users", init="self.choice = None", routes=routes))
    lab.start()
    text = lab.path("users").read_text()
    lab.save(("users", text.replace("{answer}", "VERSION")))
    lab.get("/users/choose")
    old = lab.generation("users").plugin.choice
    outcome = lab.save(("users", text.replace("lambda: {answer}", "None")))
    assert outcome is not None
    assert outcome.state.passed == ("choice",)
    assert lab.generation("users").plugin.choice is old


# -- hard to read ---------------------------------------------------------------------------------


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
