"""Events that wait: for the start to end, for a listener, for a reload; and what is dropped."""

from __future__ import annotations

import builtins
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

GATE = "__import__('builtins').test_gate.wait(20)"
ORDER = """
class Order:
    def __init__(self, number):
        self.number = number
"""
SHOP = """
    def tell(self, topic, *numbers):
        for number in numbers:
            self.ctx.events.publish(topic, Order(number))
"""
LISTENING = """
    def on_load(self, ctx):
        self.seen = []
        ctx.events.subscribe("order.*", self.heard)

    def heard(self, event):
        {first}
        self.seen.append(event.data)
"""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What listeners wait for."""
    builtins.test_gate = gate = threading.Event()
    yield gate
    gate.set()
    del builtins.test_gate


def listening(version: int = 1, *, first: str = "pass", top: str = "", more: str = "") -> str:
    return plugin("users", version, top=top, body=LISTENING.format(first=first) + more)


def started(lab: Lab, users: str, shop: str = "") -> Any:
    lab.write("users", users)
    lab.write("shop", shop or plugin("shop"))
    lab.start()
    return lab.generation("shop").plugin.ctx.events


def recent(lab: Lab) -> list[dict[str, Any]]:
    return lab.running.system.bus.log.recent()


def seen(lab: Lab) -> list[Any]:
    return lab.generation("users").plugin.seen


def test_what_is_published_during_the_start_reaches_plugins_that_are_loaded_later(
    lab: Lab,
) -> None:
    early = """
        def on_load(self, ctx):
            ctx.events.publish("order.first", 1)

        async def initialize(self):
            await self.publish_event("order.second", 2)
    """
    started(lab, listening(), plugin("shop", body=early))
    wait_for(lambda: seen(lab) == [1, 2], "what came before it was loaded")
    assert [e["listeners"] for e in recent(lab)] == [1, 1]


def test_a_queue_that_is_full_takes_no_more_and_that_is_told_once(
    lab: Lab, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    events = started(lab, listening(first=GATE))
    lab.running.system.bus._limit = 3
    with caplog.at_level(logging.WARNING, "devserver.events"):
        events.publish("order.x", 0)
        wait_for(lambda: lab.generation("users").flights, "the listener at work")
        for number in range(1, 6):
            events.publish("order.x", number)
    assert lab.running.system.bus.queued("users") == 3
    assert [r.getMessage() for r in caplog.records] == [
        "3 events wait for Users.heard of 'users': what comes is dropped for it "
        "until it has caught up"
    ]
    (dropped, *_) = recent(lab)[0]["deliveries"]
    assert (dropped["listener"], dropped["result"]) == ("Users.heard", "dropped")
    assert "3 events wait" in dropped["error"]
    gate.set()
    wait_for(lambda: seen(lab) == [0, 1, 2, 3], "those that were queued")
    events.publish("order.x", 6)
    wait_for(lambda: seen(lab)[-1] == 6, "the next one")


def test_an_event_that_publishes_two_of_its_kind_does_not_grow_for_ever(lab: Lab) -> None:
    storm = """
        def on_load(self, ctx):
            for listener in (self.one, self.two):
                ctx.events.subscribe("storm", listener)

        def one(self, event):
            self.ctx.events.publish("storm")

        two = one
    """
    events = started(lab, plugin("users", body=storm))
    bus = lab.running.system.bus
    bus._limit = 20
    events.publish("storm")
    wait_for(lambda: bus.log.results().get(("users", "dropped"), 0) > 100, "a full queue")
    assert bus.queued("users") <= 40
    assert lab.save(("users", plugin("users", 2))).success
    wait_for(lambda: bus.queued("users") == 0, "the end of the storm")


def test_waiting_events_hold_instances_of_the_new_classes_after_a_reload(
    lab: Lab, gate: threading.Event
) -> None:
    top = "from plugins.shop.plugin import Order"
    check = GATE + "; event.data.is_new = isinstance(event.data, Order)"
    shop = plugin("shop", top=ORDER, body=SHOP)
    started(lab, listening(first=check, top=top), shop)
    old = lab.generation("shop").plugin
    with ThreadPoolExecutor(1) as pool:
        old.tell("order.x", 1, 2)
        wait_for(lambda: lab.generation("users").flights, "the listener at work")
        reload = pool.submit(lab.save, ("shop", plugin("shop", 2, top=ORDER, body=SHOP)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        gate.set()
        assert reload.result(20).success
    wait_for(lambda: len(seen(lab)) == 2, "both events")
    assert [(o.number, o.is_new) for o in seen(lab)] == [(1, True), (2, True)]
    seen(lab).clear()
    del old
    wait_for(lambda: lab.live("shop") == [2], "the end of g1")


def test_waiting_events_hold_the_new_plugin_objects_after_a_reload(
    lab: Lab, gate: threading.Event
) -> None:
    first = f"event.data == 0 or {GATE}"
    events = started(lab, listening(first=first))
    users = lab.generation("users").plugin
    for data in (1, {"sender": users, "hear": users.heard}):
        events.publish("order.x", data)
    wait_for(lambda: lab.generation("users").flights, "the listener at work")
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(lab.save, ("users", listening(2, first=first)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        gate.set()
        assert reload.result(20).success
    new = lab.generation("users").plugin
    wait_for(lambda: len(seen(lab)) == 2, "both events")
    assert new is not users
    assert seen(lab)[1] == {"sender": new, "hear": new.heard}


def test_waiting_events_without_such_instances_keep_their_very_objects(
    lab: Lab, gate: threading.Event
) -> None:
    events = started(lab, listening(first=GATE))
    answer: list[str] = []
    for data in ("first", answer):
        events.publish("order.x", data)
    wait_for(lambda: lab.generation("users").flights, "the listener at work")
    replying = "'first' in event.data or event.data.append(VERSION)"
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(lab.save, ("users", listening(2, first=replying)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        gate.set()
        assert reload.result(20).success
    wait_for(lambda: answer == [2], "the answer")


def test_what_waits_for_a_plugin_that_is_disabled_is_told_as_dropped(
    lab: Lab, gate: threading.Event
) -> None:
    events = started(lab, listening(first=GATE))
    for number in range(3):
        events.publish("order.x", number)
    wait_for(lambda: lab.generation("users").flights, "the listener at work")
    with ThreadPoolExecutor(1) as pool:
        disabling = pool.submit(lab.running.control.disable, "users")
        wait_for(lambda: lab.running.registry.view.generation("users") is None, "its end")
        gate.set()
        disabling.result(20)
    results = wait_for(
        lambda: (
            [[d["result"] for d in e["deliveries"]] for e in recent(lab) if e["deliveries"]][2:]
            and [[d["result"] for d in e["deliveries"]] for e in recent(lab)]
        ),
        "all three",
    )
    assert results == [["dropped"], ["dropped"], ["delivered"]]


def test_a_stop_lets_a_listener_at_work_end_and_calls_no_more(
    lab: Lab, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    builtins.test_order = order = []
    note = "__import__('builtins').test_order.append"
    more = f"""
    def shutdown(self):
        self.ctx.events.publish("order.last")
        {note}("down")
    """
    events = started(lab, listening(first=f"{GATE}; {note}(event.topic)", more=more))
    try:
        events.publish("order.first")
        wait_for(lambda: lab.generation("users").flights, "the listener at work")
        events.publish("order.second")
        users = lab.generation("users")
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(lab.stop)
            wait_for(lambda: users.hold is not None, "the stop")
            gate.set()
            stopping.result(20)
        assert order == ["order.first", "down"]
        assert "events that listeners had not had when the server stopped: 1" in caplog.text
    finally:
        del builtins.test_order


def test_secrets_appear_neither_in_events_nor_in_what_listeners_raise(lab: Lab) -> None:
    manifest = """{"name": "shop", "version": "1.0.0",
        "configuration": {"key": {"type": "string", "secret": true}}}"""
    lab.write("shop/manifest.json", manifest)
    lab.write("/config/plugins.yaml", "shop: {key: quite-a-secret}\n")
    events = started(lab, listening(first="raise ValueError(event.data)"))
    events.publish("order.x", f"key={lab.generation('shop').plugin.config['key']}")
    wait_for(lambda: recent(lab)[0]["deliveries"], "the failure")
    assert "ValueError" in str(recent(lab))
    assert "quite-a-secret" not in str(recent(lab))


@pytest.mark.parametrize(
    ("topic", "listener", "told"),
    [
        ("a", None, "a function that takes the event, not NoneType"),
        ("a.*.b", print, "would never match"),
        ("*.b", print, "would never match"),
        ("user*", print, "would never match"),
        (print, "a", "not builtin_function_or_method"),
    ],
)
def test_what_could_never_be_heard_is_refused(
    lab: Lab, topic: Any, listener: Any, told: str
) -> None:
    events = started(lab, listening())
    with pytest.raises((TypeError, ValueError), match=told):
        events.subscribe(topic, listener)


def test_topics_without_number_do_not_fill_the_memory(lab: Lab) -> None:
    started(lab, listening())
    bus = lab.running.system.bus
    for number in range(1_010):
        bus.publish(f"made.{number}", None, "shop")
    counted = bus.log.topics("shop")
    assert len(counted) == 1_001
    assert counted["(other topics)"] == 10
