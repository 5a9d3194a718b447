"""Edits that are made in several saves go live with the last, in whatever order."""

from __future__ import annotations

import itertools

import pytest

from tests.integration.lab import Lab, plugin


def users(name: str, parameters: str = "") -> str:
    return plugin("users", top=f"def {name}({parameters}): return '{name}'")


def orders(old: str, new: str, given: str = "") -> str:
    return plugin("orders", top=f"""
        from plugins.users.plugin import {old}
        def {new}(): return {old}({given})
    """)  # fmt: skip


def mailer(name: str) -> str:
    return plugin("mailer", top=f"from plugins.orders.plugin import {name} as call", routes="""
        @router.get("/call")
        def called():
            return {"call": call()}
    """)  # fmt: skip


@pytest.fixture
def running(lab: Lab) -> Lab:
    lab.write("users", users("one"))
    lab.write("orders", orders("one", "first"))
    lab.write("mailer", mailer("first"))
    lab.start()
    return lab


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["users", "orders", "mailer"])), ids="-".join
)
def test_a_chain_of_renames_goes_live_with_the_last_save(
    running: Lab, order: tuple[str, ...]
) -> None:
    texts = {"users": users("two"), "orders": orders("two", "second"), "mailer": mailer("second")}
    for name in order[:-1]:
        outcome = running.save((name, texts[name]))
        assert outcome is not None
        assert not outcome.success
        assert running.json("/mailer/call") == {"call": "one"}
    outcome = running.save((order[-1], texts[order[-1]]))
    assert outcome is not None
    assert set(outcome.reloaded) == {"users", "orders", "mailer"}
    assert running.json("/mailer/call") == {"call": "two"}
    assert running.running.control.pending() == []


def test_a_changed_signature_goes_live_and_the_consumer_follows(running: Lab) -> None:
    outcome = running.save(
        ("users", users("one", "more='x'")), ("orders", orders("one", "first", "'y'"))
    )
    assert outcome is not None
    assert outcome.success
    assert running.json("/mailer/call") == {"call": "one"}


def test_a_new_plugin_starts_when_what_it_needs_comes_later(running: Lab) -> None:
    late = plugin("late", top="from plugins.soon.plugin import VERSION as SOON")
    outcome = running.save(("late", late))
    assert outcome is not None
    assert not outcome.success
    assert running.get("/late/version").status_code == 503
    assert running.save(("soon", plugin("soon"))).success  # type: ignore[union-attr]
    assert running.json("/late/version")["version"] == 1


def test_a_removed_provider_and_its_consumer_follow_each_other(running: Lab) -> None:
    outcome = running.save(("users", None))
    assert outcome is not None
    assert not outcome.success
    assert running.json("/mailer/call") == {"call": "one"}
    outcome = running.save(("orders", plugin("orders", top="def first(): return 'alone'")))
    assert outcome is not None
    assert outcome.success
    assert running.json("/mailer/call") == {"call": "alone"}
    assert running.get("/users/version").status_code == 404


def test_a_refused_provider_does_not_hold_back_what_fits_it(running: Lab) -> None:
    assert not running.save(("users", "def broken(:")).success  # type: ignore[union-attr]
    changed = orders("one", "first").replace("VERSION = 1", "VERSION = 7")
    outcome = running.save(("orders", changed))
    assert outcome is not None
    assert outcome.success
    assert running.json("/orders/version")["version"] == 7
    assert running.running.control.pending() == ["users"]


def test_nothing_that_a_candidate_offers_is_seen_when_it_fails(running: Lab) -> None:
    told: list[str] = []
    running.running.system.bus.publish = lambda topic, *_: told.append(topic)  # type: ignore[method-assign]
    eager = plugin("users", top="def one(): return 'new'", body="""
        def initialize(self):
            self.register_service("eager", 1)
            self.register_command("eager", lambda: 1)
            self.ctx.events.publish("eager.event", 1)
            self.ctx.events.subscribe("other", print)
            self.ctx.data.set("eager", 1)
            1 / 0
    """)  # fmt: skip
    outcome = running.save(("users", eager))
    assert outcome is not None
    assert outcome.rolled_back
    live = running.generation("users")
    assert (live.services, live.commands, live.subscriptions) == ({}, {}, ())
    assert live.host.get_data("eager", None) is None
    assert told == []
