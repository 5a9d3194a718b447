"""What cannot be copied (queues, connections, locks) goes on to the next generation."""

from __future__ import annotations

import threading

import pytest

from tests.integration.lab import Lab, plugin


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
