"""Events: what one listener does harms no other, and nothing is missed."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

LISTENERS = """
    def on_load(self, ctx):
        self.seen = []
        {subscribe}

    def first(self, event):
        {first}
        self.seen.append(("first", VERSION, event.data))

    async def second(self, event):
        self.seen.append(("second", VERSION, event.data))

    def third(self, event):
        self.seen.append(("third", VERSION, event.data))
"""
BOTH = 'ctx.events.subscribe("a.*", self.first); ctx.events.subscribe("a.*", self.second)'
WAIT = "entered, go_on = __import__('builtins').test_gates; entered.set(); go_on.wait(20)"


def listening(version: int, *, subscribe: str = BOTH, first: str = "pass", more: str = "") -> str:
    body = LISTENERS.format(subscribe=subscribe, first=first) + more
    return plugin("users", version, body=body)


@pytest.fixture
def gates() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set by the plugin when it has begun, and by the test to let it go on."""
    builtins.test_gates = gates = (threading.Event(), threading.Event())
    yield gates
    gates[1].set()
    del builtins.test_gates


def start(lab: Lab, users: str) -> Any:
    lab.write("users", users)
    lab.write("shop", plugin("shop"))
    lab.start()
    return lab.generation("shop").plugin.ctx.events


def seen(lab: Lab, who: str) -> list[Any]:
    return [(v, d) for name, v, d in lab.generation("users").plugin.seen if name == who]


def test_a_slow_listener_delays_no_other_of_its_plugin(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    events = start(lab, listening(1, first=WAIT))
    for n in range(5):
        events.publish("a.x", n)
    wait_for(lambda: len(seen(lab, "second")) == 5, "all events of the other listener")
    assert seen(lab, "first") == []
    assert lab.running.system.bus.queued("users") == 4
    gates[1].set()
    wait_for(lambda: len(seen(lab, "first")) == 5, "the slow one's")
    assert seen(lab, "first") == seen(lab, "second") == [(1, n) for n in range(5)]


def test_one_that_hangs_is_interrupted_told_and_goes_on_with_the_next(lab: Lab) -> None:
    lab.settings("reload:\n  timeout: 0.5\n")
    hang = "\n        while event.data == 0: pass"
    events = start(lab, listening(1, first=hang))
    events.publish("a.x", 0)
    events.publish("a.x", 1)
    wait_for(lambda: seen(lab, "first") == [(1, 1)], "the next event")
    (entry,) = (e for e in lab.running.system.bus.log.recent() if e["data"] == 0)
    told = {d["listener"].rpartition(".")[2]: d for d in entry["deliveries"]}
    assert (told["first"]["result"], told["second"]["result"]) == ("hung", "delivered")
    assert "did not finish within 0.5 s" in told["first"]["error"]


@pytest.mark.parametrize("error", ["ValueError('boom')", "SystemExit(3)", "KeyboardInterrupt()"])
def test_one_that_raises_is_told_and_harms_no_other(lab: Lab, error: str) -> None:
    events = start(lab, listening(1, first=f"raise {error}"))
    events.publish("a.x", 1)
    events.publish("a.x", 2)
    wait_for(lambda: len(seen(lab, "second")) == 2, "the other listener")
    failed = wait_for(
        lambda: [
            d
            for e in lab.running.system.bus.log.recent()
            for d in e["deliveries"]
            if d["result"] == "failed"
        ][1:],
        "both failures",
    )
    assert error.partition("(")[0] in failed[0]["error"]
    assert lab.generation("users").counters.errors == 2


def test_what_was_queued_for_a_listener_goes_to_the_one_that_replaces_it(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    events = start(lab, listening(1, first=WAIT))
    for n in range(3):
        events.publish("a.x", n)
    assert gates[0].wait(10)
    renamed = 'ctx.events.subscribe("a.*", self.third); ctx.events.subscribe("a.*", self.second)'
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(lab.save, ("users", listening(2, subscribe=renamed)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        events.publish("a.x", 3)
        gates[1].set()
        assert reload.result(20).success
    wait_for(lambda: len(seen(lab, "third")) == 3, "what was left")
    assert seen(lab, "third") == [(2, 1), (2, 2), (2, 3)]
    wait_for(lambda: (2, 3) in seen(lab, "second"), "the other one's")


def test_what_only_the_successor_listens_to_is_not_missed(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    events = start(lab, listening(1))
    waiting = "\n    def initialize(self):\n        " + WAIT + "\n"
    more = BOTH + '; ctx.events.subscribe("b", self.third)'
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(lab.save, ("users", listening(2, subscribe=more, more=waiting)))
        assert gates[0].wait(10)
        events.publish("b", "during")
        gates[1].set()
        assert reload.result(20).success
    wait_for(lambda: seen(lab, "third") == [(2, "during")], "the event")


def test_after_a_roll_back_the_old_listeners_have_what_came_meanwhile(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    events = start(lab, listening(1))
    failing = "\n    def initialize(self):\n        " + WAIT + "\n        return False\n"
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(lab.save, ("users", listening(2, more=failing)))
        assert gates[0].wait(10)
        for n in range(3):
            events.publish("a.x", n)
        gates[1].set()
        assert reload.result(20).rolled_back
    wait_for(lambda: len(seen(lab, "first")) == 3, "the events")
    assert seen(lab, "first") == [(1, n) for n in range(3)]
    wait_for(lambda: not lab.running.system.bus._boxes, "an empty bus")


def test_a_listener_that_comes_and_goes_at_run_time_has_what_is_published_in_between(
    lab: Lab,
) -> None:
    events = start(lab, listening(1, subscribe="pass"))
    users = lab.generation("users").plugin
    events.publish("a.x", 1)
    users.ctx.events.subscribe("a.x", users.third)
    events.publish("a.x", 2)
    wait_for(lambda: users.seen, "the event")
    users.ctx.events.unsubscribe("a.x", users.third)
    events.publish("a.x", 3)
    assert users.seen == [("third", 1, 2)]
    assert [(e["data"], e["listeners"]) for e in lab.running.system.bus.log.recent()] == [
        (3, 0),
        (2, 1),
        (1, 0),
    ]


def test_recent_events_keep_nothing_alive_and_mask_secrets(lab: Lab) -> None:
    thing = """
        class Thing:
            def __init__(self):
                self.size, self.api_key = 3, "sk-123456"

        class Odd:
            def __repr__(self):
                while True: pass
    """
    body = """
        def tell(self):
            self.ctx.events.publish("a.x", {"thing": Thing(), "password": "hunter2"})
            self.ctx.events.publish("a.y", Odd())
    """
    lab.write("users", plugin("users", 1, top=thing, body=body))
    lab.start()
    lab.generation("users").plugin.tell()
    log = lab.running.system.bus.log
    odd, shown = log.recent()
    assert shown["data"]["password"] == "***"
    assert shown["data"]["thing"]["size"] == 3
    assert "sk-123456" not in str(shown)
    assert odd["data"]["$type"].endswith("Odd")
    assert log.topics("users") == {"a.x": 1, "a.y": 1}
    assert [e["topic"] for e in log.recent(topic="a.*", limit=1)] == ["a.y"]
    assert [e["topic"] for e in log.recent(topic="a.x", plugin="Users")] == []
    assert [e["topic"] for e in log.recent(topic="a.x", plugin="users")] == ["a.x"]
    assert log.recent(after=shown["id"]) == [odd]
    assert lab.save(("users", plugin("users", 2))).success
    wait_for(lambda: lab.live("users") == [2], "the end of g1")


def test_info_compares_what_is_declared_with_what_is_done(lab: Lab) -> None:
    lab.write("users/manifest.json", '{"events": {"publishes": ["user.*"], "subscribes": ["a.*"]}}')
    start(lab, listening(1, subscribe=BOTH + '; ctx.events.subscribe("b", self.third)'))
    events = lab.generation("users").plugin.ctx.events
    events.publish("user.added")
    events.publish("user.added")
    events.publish("odd.one")
    told = lab.running.control.plugin_details("users")["events"]
    assert told == {
        "publishes": ["user.*"],
        "subscribes": ["a.*", "b"],
        "published": {"odd.one": 1, "user.added": 2},
        "undeclared": ["odd.one", "b"],
    }
