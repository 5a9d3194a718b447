"""No request is lost, none sees two versions."""

from __future__ import annotations

import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for

SLOW = """
@router.get("/slow")
def slow():
    self.entered.set()
    self.go_on.wait(20)
    return {"version": VERSION}
"""
SLOW_INIT = """
self.entered = None
self.go_on = None
"""


def slow_plugin(name: str, version: int, **parts: str) -> str:
    routes = SLOW + textwrap.dedent(parts.pop("routes", ""))
    return plugin(name, version, init=SLOW_INIT, routes=routes, **parts)


def arm(lab: Lab, name: str) -> tuple[threading.Event, threading.Event]:
    instance = lab.generation(name).plugin
    instance.entered, instance.go_on = threading.Event(), threading.Event()
    return instance.entered, instance.go_on


def test_a_request_in_flight_ends_on_its_generation_and_new_ones_wait(lab: Lab) -> None:
    lab.write("users", slow_plugin("users", 1))
    lab.start()
    entered, go_on = arm(lab, "users")
    with ThreadPoolExecutor(4) as pool:
        in_flight = pool.submit(lab.json, "/users/slow")
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", slow_plugin("users", 2)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        waiting = pool.submit(lab.json, "/users/version")
        wait_for(lambda: lab.generation("users").hold.oldest_wait(1e9) > 0, "the waiting request")
        assert not waiting.done()
        assert not reload.done()
        go_on.set()
        assert in_flight.result(20) == {"version": 1}
        assert reload.result(20).success
        assert waiting.result(20)["version"] == 2


def test_a_request_that_outlasts_the_wait_rolls_the_reload_back(lab: Lab) -> None:
    lab.settings("reload:\n  timeout: 0.3\nsafety:\n  max_reload_attempts: 1\n")
    lab.write("users", slow_plugin("users", 1))
    lab.start()
    entered, go_on = arm(lab, "users")
    with ThreadPoolExecutor(4) as pool:
        in_flight = pool.submit(lab.json, "/users/slow")
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", slow_plugin("users", 2)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        waiting = pool.submit(lab.json, "/users/version")
        outcome = reload.result(20)
        assert outcome.result is Result.ROLLED_BACK
        assert "GET /users/slow" in outcome.error
        assert "plugin.py" in outcome.error
        assert waiting.result(20)["version"] == 1
        go_on.set()
        assert in_flight.result(20) == {"version": 1}


def test_stragglers_are_named_and_let_go(lab: Lab) -> None:
    lab.settings("reload:\n  drain_timeout: 0.2\n")
    lab.write("users", slow_plugin("users", 1))
    lab.start()
    entered, go_on = arm(lab, "users")
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/users/slow")
        assert entered.wait(10)
        outcome = lab.save(("users", slow_plugin("users", 2)))
        assert outcome is not None
        assert outcome.success
        assert any("GET /users/slow" in note for note in outcome.notes)
        go_on.set()
        assert in_flight.result(20) == {"version": 1}


def test_an_open_stream_delays_no_reload_and_keeps_its_generation(lab: Lab) -> None:
    stream = """
        @router.get("/stream")
        def stream():
            def parts():
                for n in range(3):
                    yield f"{VERSION}:{n};"
            return parts()
    """
    lab.write("users", plugin("users", 1, routes=stream))
    lab.start()
    answer = lab._client.open("/users/stream", buffered=False)
    parts = iter(answer.response)
    first = next(parts) + next(parts)
    outcome = lab.save(("users", plugin("users", 2, routes=stream)))
    assert outcome is not None
    assert outcome.success
    assert lab.json("/users/version")["version"] == 2
    assert b"".join([first, *parts]) == b"1:0;1:1;1:2;"
    answer.close()
    del answer, parts
    wait_for(lambda: lab.live("users") == [2], "the end of g1")


def test_what_a_stream_imports_late_is_what_its_generation_saw(lab: Lab) -> None:
    """Also when its provider was replaced in a batch of its own, after it."""
    stream = """
        @router.get("/stream")
        def stream():
            def parts():
                while True:
                    from plugins.users.other import VERSION as late
                    yield f"{VERSION}:{late};"
            return parts()
    """
    lab.write("users/other.py", "VERSION = 1\n")
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", 1, routes=stream))
    lab.start()
    answer = lab._client.open("/orders/stream", buffered=False)
    parts = iter(answer.response)
    assert next(parts) == b"1:1;"
    for edit in (
        ("orders", plugin("orders", 2, routes=stream)),
        ("users/other.py", "VERSION = 2\n"),
    ):
        outcome = lab.save(edit)
        assert outcome is not None
        assert outcome.success
        assert next(parts) == b"1:1;"
    answer.close()


def test_a_request_in_flight_imports_late_while_all_of_it_is_disabled(lab: Lab) -> None:
    routes = """
        @router.get("/late")
        def late():
            self.entered.set()
            self.go_on.wait(20)
            from plugins.users.other import VERSION as late
            return {"late": late}
    """
    lab.write("users/other.py", "VERSION = 1\n")
    lab.write("users", plugin("users", 1))
    lab.write("orders", slow_plugin("orders", 1, routes=routes))
    lab.start()
    entered, go_on = arm(lab, "orders")
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/orders/late")
        assert entered.wait(10)
        disabling = pool.submit(lab.running.control.disable, "users", force=True)
        wait_for(lambda: lab.get("/users/version").status_code == 503, "users disabled")
        go_on.set()
        assert in_flight.result(20) == {"late": 1}
        assert disabling.result(20).success


def test_what_a_draining_request_calls_is_not_held(lab: Lab) -> None:
    """orders depends on users; a request in orders calls a service of users while both swap."""
    calling = """
        @router.get("/call")
        def call():
            self.entered.set()
            self.go_on.wait(20)
            return {"told": self.get_service("users.version")()}
    """
    offering = """
        def on_load(self, ctx):
            ctx.services.register("users.version", lambda: VERSION)
    """
    lab.write("users", plugin("users", 1, body=offering))
    orders = slow_plugin(
        "orders", 1, top="from plugins.users.plugin import VERSION as V", routes=calling
    )
    lab.write("orders", orders)
    lab.start()
    entered, go_on = arm(lab, "orders")
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/orders/call")
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", plugin("users", 2, body=offering)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        go_on.set()
        assert in_flight.result(20) == {"told": 1}
        assert reload.result(20).success


def test_a_service_call_from_elsewhere_waits_for_the_swap(lab: Lab) -> None:
    offering = """
        def on_load(self, ctx):
            ctx.services.register("users.version", lambda: VERSION)
    """
    lab.write("users", slow_plugin("users", 1, body=offering))
    lab.write(
        "other",
        plugin(
            "other",
            routes="""
        @router.get("/ask")
        def ask():
            return {"told": self.get_service("users.version")()}
    """,
        ),
    )
    lab.start()
    entered, go_on = arm(lab, "users")
    with ThreadPoolExecutor(4) as pool:
        in_flight = pool.submit(lab.json, "/users/slow")
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", slow_plugin("users", 2, body=offering)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        asking = pool.submit(lab.json, "/other/ask")
        wait_for(lambda: lab.generation("users").hold.oldest_wait(1e9) > 0, "the waiting call")
        go_on.set()
        assert asking.result(20) == {"told": 2}
        assert in_flight.result(20) == {"version": 1}
        assert reload.result(20).success


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """As the server has it: many threads compute, the reloader gets its turn all the same."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("quick_switches")
def test_a_steady_load_sees_no_failure_and_no_mixture(lab: Lab) -> None:
    both = """
        @router.get("/both")
        def both():
            from .other import VERSION as other
            return {"a": VERSION, "b": other, "c": self.seen()}
    """
    body = """
        def seen(self):
            return VERSION
    """
    lab.write("users/other.py", "VERSION = 1\n")
    lab.write("users", plugin("users", 1, routes=both, body=body))
    lab.start()
    stop = threading.Event()
    faults: list[object] = []
    counts: list[int] = []

    def client() -> None:
        done = 0
        while not stop.is_set():
            answer = lab.get("/users/both")
            done += 1
            if answer.status_code != 200 or len(set(answer.json.values())) != 1:
                faults.append(answer.text)
        counts.append(done)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(client)
        try:
            for n in range(2, 62):
                outcome = lab.save(
                    ("users/other.py", f"VERSION = {n}\n"),
                    ("users", plugin("users", n, routes=both, body=body)),
                )
                assert outcome is not None
                assert outcome.success, outcome
        finally:
            stop.set()
    assert faults == []
    assert min(counts) > 0


def test_the_last_of_several_quick_saves_runs(lab: Lab) -> None:
    lab.write("users", plugin("users", 100))
    lab.start(hot_reload=True)
    for n in range(101, 131):  # all of equal size
        lab.write("users", plugin("users", n))
    wait_for(lambda: lab.json("/users/version")["version"] == 130, "the last save")


def test_a_plugin_may_reload_itself_from_a_route(lab: Lab) -> None:
    routes = """
        @router.get("/again")
        def again():
            outcome = self.plugin_manager.reload_plugin("users").outcome
            return {"result": str(outcome.result), "was": VERSION}
    """
    lab.settings("reload:\n  timeout: 5\n")
    lab.write("users", plugin("users", 1, routes=routes))
    lab.start()
    lab.write("users", plugin("users", 2, routes=routes))
    assert lab.json("/users/again") == {"result": "reloaded", "was": 1}
    assert lab.json("/users/version")["version"] == 2
