"""Globals that a module names in PERSISTENT live through reloads."""

from __future__ import annotations

import queue
import sys
import weakref
from types import ModuleType

import pytest

from tests.integration.lab import Lab, plugin, wait_for

STORE = """
import threading

PERSISTENT = ("counter", "cache", "limit", "lock")

counter = 0
cache = {{}}
limit = {limit}
lock = threading.Lock()

class Entry:
    version = {version}

def count():
    global counter
    counter += 1
    return counter

def remember(name):
    cache[name] = Entry()
"""


def store(version: int = 1, limit: int = 10) -> str:
    return STORE.format(version=version, limit=limit)


def module(name: str = "plugins.users.store") -> ModuleType:
    return sys.modules[name]


@pytest.fixture
def counting(lab: Lab) -> Lab:
    """A plugin whose module has been counted in twice and has remembered `ada`."""
    lab.write("users", plugin("users", top="from . import store"))
    lab.write("users/store.py", store())
    lab.start()
    for _ in range(2):
        module().count()
    module().remember("ada")
    return lab


def test_changed_globals_are_kept_and_unchanged_ones_take_the_new_code(counting: Lab) -> None:
    outcome = counting.save(("users/store.py", store(2, limit=99)))
    assert outcome is not None
    assert outcome.success
    assert (module().counter, module().limit) == (2, 99)
    assert type(module().cache["ada"]) is module().Entry
    assert module().cache["ada"].version == 2
    assert outcome.state.kept == ("store:cache", "store:counter")
    assert set(outcome.state.merged) == {"greeting", "hits", "store:limit"}
    assert outcome.state.passed == ("store:lock",)


def test_globals_live_through_any_number_of_reloads(counting: Lab) -> None:
    for version in range(2, 12):
        assert counting.save(("users/store.py", store(version))).success
        assert module().count() == version + 1
        module().remember(str(version))
    assert set(module().cache) == {"ada", *map(str, range(2, 12))}


def test_a_rolled_back_reload_leaves_the_globals_of_the_old_module_alone(counting: Lab) -> None:
    old = module()
    before = dict(vars(old))
    bad = plugin("users", 2, top="from . import store", body="def initialize(self): return False")
    outcome = counting.save(("users", bad))
    assert outcome is not None
    assert outcome.rolled_back
    assert module() is old
    assert all(vars(old)[name] is value for name, value in before.items())
    assert len(old.cache) == 1


def test_a_plugin_that_shares_a_global_from_construction_on_still_shares_it(lab: Lab) -> None:
    parts = {"top": "from . import store", "init": "self.cache = store.cache"}
    lab.write("users", plugin("users", **parts))
    lab.write("users/store.py", store())
    lab.start()
    module().remember("ada")
    assert lab.save(("users", plugin("users", 2, **parts))).success
    assert lab.generation("users").plugin.cache is module().cache
    assert list(module().cache) == ["ada"]


def test_who_imported_a_global_has_the_kept_object(counting: Lab) -> None:
    top = "from plugins.users.store import cache as known\nfrom plugins.users import store"
    counting.save(("orders", plugin("orders", top=top, init="self.known = known")))
    counting.save(("users/again.py", "from .store import cache\n"))
    counting.save(("users", plugin("users", 2, top="from . import store, again")))
    outcome = counting.save(("users/store.py", store(2)))
    assert outcome is not None
    assert outcome.reloaded == ("users", "orders")
    cache = module().cache
    assert list(cache) == ["ada"]
    assert sys.modules["plugins.orders.plugin"].known is cache
    assert module("plugins.users.again").cache is cache
    assert counting.generation("orders").plugin.known is cache


def test_the_constructor_finds_the_kept_value_and_may_change_it(lab: Lab) -> None:
    parts = {"top": "from . import store", "init": "self.seen = store.count()"}
    lab.write("users", plugin("users", **parts))
    lab.write("users/store.py", store())
    lab.start()
    assert lab.generation("users").plugin.seen == 1
    module().count()
    lab.save(("users", plugin("users", 2, **parts)))
    assert (lab.generation("users").plugin.seen, module().counter) == (3, 3)


def test_a_hook_that_sets_a_global_to_its_first_value_does_not_undo_what_was_kept(
    lab: Lab,
) -> None:
    body = "def initialize(self):\n    store.counter = 0\n    store.cache = {}"
    lab.write("users", plugin("users", top="from . import store", body=body))
    lab.write("users/store.py", store())
    lab.start()
    module().count()
    module().remember("ada")
    lab.save(("users", plugin("users", 2, top="from . import store", body=body)))
    assert (module().counter, list(module().cache)) == (1, ["ada"])


def test_globals_may_lead_to_the_plugin_object(counting: Lab) -> None:
    module().cache["plugin"] = counting.generation("users").plugin
    module().cache["method"] = counting.generation("users").plugin.health_check
    assert counting.save(("users/store.py", store(2))).success
    users = counting.generation("users").plugin
    assert module().cache["plugin"] is users
    assert module().cache["method"].__self__ is users
    assert module().counter == 2


def test_globals_of_the_plugins_own_file_are_named_after_the_plugin(lab: Lab) -> None:
    text = plugin("users", top="PERSISTENT = ['visits']\nvisits = []")
    lab.write("users.py", text)
    lab.start()
    module("plugins.users").visits.append(1)
    outcome = lab.save(("users.py", text.replace("hello", "good day")))
    assert outcome is not None
    assert outcome.state.kept == ("users:visits",)
    assert module("plugins.users").visits == [1]


def test_a_module_that_is_gone_takes_its_globals_along_which_is_told(counting: Lab) -> None:
    outcome = counting.save(("users", plugin("users", 2)), ("users/store.py", None))
    assert outcome is not None
    assert outcome.success
    assert set(outcome.state.lost) == {"store:cache", "store:counter", "store:lock"}


def test_a_global_that_is_no_longer_declared_is_that_of_the_new_code(counting: Lab) -> None:
    outcome = counting.save(("users/store.py", store(2).replace('"counter", ', "")))
    assert outcome is not None
    assert module().counter == 0
    assert "store:counter" in outcome.state.merged
    assert "store:cache" in outcome.state.kept


def test_a_module_that_was_imported_late_is_there_with_its_globals(lab: Lab) -> None:
    routes = """
        @router.get("/late")
        def late():
            from . import store
            return {"count": store.count()}
    """
    lab.write("users", plugin("users", routes=routes))
    lab.write("users/store.py", store())
    lab.start()
    assert lab.json("/users/late") == {"count": 1}
    lab.save(("users", plugin("users", 2, routes=routes)))
    assert lab.json("/users/late") == {"count": 2}


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ("PERSISTENT = 'counter'", "must be a tuple of names"),
        ("PERSISTENT = (1, 2)", "must be a tuple of names"),
        ("PERSISTENT = ('nothing',)", "names 'nothing', which it does not have"),
        ("PERSISTENT = ('helper',)\ndef helper(): pass", "'helper', which is a function"),
        ("PERSISTENT = ('Helper',)\nclass Helper: pass", "'Helper', which is a class"),
        ("import json\nPERSISTENT = ('json',)", "'json', which is a module"),
        ("PERSISTENT = ('PERSISTENT', '__name__')", "which is no state"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_told(lab: Lab, declaration: str, said: str) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    outcome = lab.save(("users", plugin("users", 2, top=declaration)))
    assert outcome is not None
    assert outcome.success
    assert any(said in note for note in outcome.notes), outcome.notes
    assert lab.save(("users", plugin("users", 3, top=declaration))).success


def test_a_declaration_that_cannot_be_kept_is_told_at_the_start_too(lab: Lab) -> None:
    lab.write("users", plugin("users", top="PERSISTENT = ('nothing',)"))
    host = lab.start()
    told = [e.payload["message"] for e in host.journal.events_after(0, 0) if e.kind == "notice"]
    assert any("'nothing', which it does not have" in message for message in told)


def test_state_that_is_lost_beside_globals_leaves_the_plugin_with_the_kept_object(
    counting: Lab,
) -> None:
    parts = {"top": "from . import store", "init": "self.cache = store.cache\nself.entry = None"}
    gone = "\nclass Gone: pass\n"
    counting.save(("users", plugin("users", 2, **parts)), ("users/store.py", store() + gone))
    counting.generation("users").plugin.entry = module().Gone()
    outcome = counting.save(("users/store.py", store(3)))
    assert outcome is not None
    assert outcome.state.lost == ("entry",)
    assert counting.generation("users").plugin.cache is module().cache
    assert (module().counter, module().cache["ada"].version) == (2, 3)


def test_other_names_of_a_globals_first_object_go_along_only_when_they_did_before(
    lab: Lab,
) -> None:
    text = (
        "PERSISTENT = ('current', 'cache')\nDEFAULT = {'n': 0}\ncurrent = DEFAULT\n"
        "cache = same = {}\n"
    )
    lab.write("users", plugin("users", top="from . import store"))
    lab.write("users/store.py", text)
    lab.start()
    module().current = {"n": 5}
    module().same["a"] = 1
    for version in (2, 3):
        assert lab.save(("users/store.py", f"{text}# {version}\n")).success
        assert (module().DEFAULT, module().current) == ({"n": 0}, {"n": 5})
        assert module().same is module().cache
        assert module().cache == {"a": 1}


def test_an_old_generation_is_garbage_although_its_globals_were_kept(counting: Lab) -> None:
    module().cache["waiting"] = queue.Queue()
    module().cache["waiting"].put(module().Entry())
    module().cache["weak"] = weakref.WeakSet([module().cache["ada"]])
    for version in (2, 3, 4):
        assert counting.save(("users/store.py", store(version))).success
    wait_for(lambda: counting.live("users") == [4], "only the fourth generation")
    assert module().cache["waiting"].queue[0].version == 4
