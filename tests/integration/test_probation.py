"""The old version stands by until the new one has proved itself."""

from __future__ import annotations

import logging

import pytest

from devserver.cli.outcomes import failed_step
from tests.integration.lab import Lab, plugin, wait_for

HEALTH = """
async def health_check(self):
    from devserver.sdk import HealthStatus
    self.asked = getattr(self, "asked", 0) + 1
    return HealthStatus(healthy={healthy}, message="it coughs")
"""
LONG = "safety:\n  probation_ms: 60000\n  max_reload_attempts: 1\n"


def users(version: int, *, healthy: str = "True", init: str = "", body: str = "") -> str:
    text = plugin("users", version, init=init, body=HEALTH.format(healthy=healthy) + body)
    assert "health_check" in text
    return text


ORDERS = plugin("orders", routes="""
    from plugins.users.plugin import VERSION as seen
    @router.get("/users")
    def users():
        return {"users": seen}
""")  # fmt: skip


def test_one_that_falls_ill_is_replaced_by_the_very_old_version(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.write("orders", ORDERS)
    lab.start()
    old = lab.generation("users"), lab.generation("orders")
    lab.json("/users/hit")
    outcome = lab.save(("users", users(2, healthy="not hasattr(self, 'ill')")))
    assert outcome is not None
    assert outcome.success
    assert any("on probation for 60000 ms" in n for n in outcome.notes)
    assert lab.json("/orders/users") == {"users": 2}
    assert lab.json("/users/hit") == {"hits": 2}
    assert lab.live("users") == [1, 2]
    lab.generation("users").plugin.ill = True  # type: ignore[union-attr]
    wait_for(lambda: lab.generation("users") is old[0], "the old one serves")
    assert (lab.generation("users"), lab.generation("orders")) == old
    assert lab.json("/orders/users") == {"users": 1}
    assert lab.json("/users/hit") == {"hits": 2}
    back = wait_for(lambda: [o for o in lab.running.journal.outcomes() if o.rolled_back])[0]
    assert back.trigger == "probation"
    assert "it coughs" in str(back.error)
    assert back.serving == {"users": 1, "orders": 1}
    wait_for(lambda: lab.running.control.pending() == ["users"], "what is kept for later")
    wait_for(lambda: lab.live("users") == [1], "the new one is gone")
    outcome = lab.save(("users", users(3)))
    assert outcome is not None
    assert outcome.generation == 3
    assert lab.json("/orders/users") == {"users": 3}


def test_one_that_stays_healthy_lets_the_old_version_go(lab: Lab) -> None:
    lab.settings("safety:\n  probation_ms: 100\n")
    lab.write("users", users(1))
    lab.start()
    assert lab.save(("users", users(2))).success  # type: ignore[union-attr]
    wait_for(lambda: lab.live("users") == [2], "the old one is gone")
    assert lab.generation("users").plugin.asked >= 3  # type: ignore[union-attr]
    assert lab.json("/users/version")["version"] == 2


def test_a_newer_save_ends_the_probation(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.start()
    assert lab.save(("users", users(2))).success  # type: ignore[union-attr]
    assert lab.save(("users", users(3))).success  # type: ignore[union-attr]
    wait_for(lambda: lab.live("users") == [2, 3], "the first is let go")


def test_a_refused_save_leaves_the_probation_as_it_is(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.start()
    assert lab.save(("users", users(2))).success  # type: ignore[union-attr]
    assert not lab.save(("users", "def x(:")).success  # type: ignore[union-attr]
    assert lab.live("users") == [1, 2]


def test_disabling_ends_the_probation(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.start()
    assert lab.save(("users", users(2))).success  # type: ignore[union-attr]
    lab.running.control.disable("users")
    wait_for(lambda: lab.live("users") == [], "both are gone")


def test_tasks_subscriptions_handlers_and_patches_of_the_old_version_come_back(lab: Lab) -> None:
    body = """
def initialize(self):
    import json, logging
    self.create_task(self.tick)
    self.seen = []
    self.ctx.events.subscribe("a", lambda event: self.seen.append((VERSION, event.data)))
    self.ctx.patch(json, "patched_by", VERSION)
    handler = logging.NullHandler()
    handler.set_name(f"v{VERSION}")
    self.logger.addHandler(handler)

async def tick(self):
    import asyncio
    self._ticks = 0
    while True:
        self._ticks += 1
        await asyncio.sleep(0.005)
"""
    lab.settings(LONG)
    lab.write("users", users(1, body=body))
    lab.start()
    first = lab.generation("users").plugin
    assert first is not None
    assert lab.save(("users", users(2, healthy="not hasattr(self, 'ill')", body=body))).success  # type: ignore[union-attr]
    import json

    assert json.patched_by == 2  # type: ignore[attr-defined]
    lab.generation("users").plugin.ill = True  # type: ignore[union-attr]
    wait_for(lambda: lab.generation("users").plugin is first, "the old one serves")
    wait_for(lambda: lab.live("users") == [1], "the new one is gone")
    assert json.patched_by == 1  # type: ignore[attr-defined]
    names = [h.get_name() for h in logging.getLogger("plugins.users").handlers]
    assert names == ["v1"]
    ticks = first._ticks  # type: ignore[attr-defined]
    wait_for(lambda: first._ticks > ticks + 2, "its task runs")  # type: ignore[attr-defined]
    first.ctx.events.publish("a", 5)
    wait_for(lambda: (1, 5) in first.seen, "its subscription stands")  # type: ignore[attr-defined]
    import plugins.users.plugin as shown  # type: ignore[import-not-found]

    assert shown.VERSION == 1


def test_a_plugin_that_was_new_in_the_batch_is_failed_when_the_batch_fails(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.start()
    outcome = lab.save(("users", users(2, healthy="not hasattr(self, 'ill')")), ("orders", ORDERS))
    assert outcome is not None
    assert outcome.success
    lab.generation("users").plugin.ill = True  # type: ignore[union-attr]
    wait_for(lambda: lab.generation("users").number == 1, "the old one serves")
    assert lab.get("/orders/version").status_code == 503


def test_stopping_during_a_probation_lets_both_go(lab: Lab) -> None:
    lab.settings(LONG)
    ended: list[int] = []
    body = "def shutdown(self): self.ended.append(VERSION)"
    lab.write("users", users(1, body=body))
    lab.start()
    lab.generation("users").plugin.ended = ended  # type: ignore[union-attr]
    assert lab.save(("users", users(2, body=body))).success  # type: ignore[union-attr]
    lab.generation("users").plugin.ended = ended  # type: ignore[union-attr]
    lab.stop()
    assert sorted(ended) == [1, 2]


def test_without_roll_back_a_failed_plugin_is_left_failed_and_comes_back_with_its_dependents(
    lab: Lab,
) -> None:
    lab.settings("safety:\n  rollback_on_failure: false\n  max_reload_attempts: 1\n")
    lab.write("users", users(1))
    lab.write("orders", ORDERS)
    lab.write("other", plugin("other"))
    lab.start()
    outcome = lab.save(("users", users(2, body="def initialize(self): 1 / 0")))
    assert outcome is not None
    assert (outcome.rolled_back, outcome.serving) == (True, {})
    assert any("rollback_on_failure is false" in n for n in outcome.notes)
    answer = lab.get("/users/version")
    assert answer.status_code == 503
    assert answer.json["diagnostics"][0]["line"]
    assert lab.get("/orders/version").status_code == 503
    assert lab.get("/other/version").status_code == 200
    assert lab.running.registry.view.plugins["users"].status == "failed"
    outcome = lab.save(("users", users(3)))
    assert outcome is not None
    assert outcome.reloaded == ("users", "orders")
    assert lab.json("/orders/users") == {"users": 3}


@pytest.mark.parametrize("text", ["def x(:", "import nowhere_at_all"])
def test_without_roll_back_what_is_only_refused_leaves_the_old_version_serving(
    lab: Lab, text: str
) -> None:
    lab.settings("safety:\n  rollback_on_failure: false\n")
    lab.write("users", users(1))
    lab.start()
    assert not lab.save(("users", text)).success  # type: ignore[union-attr]
    assert lab.json("/users/version")["version"] == 1


def ill_on_demand(lab: Lab) -> None:
    """Puts a second version of users live, and then back for its health."""
    old = lab.generation("users")
    outcome = lab.save(("users", users(2, healthy="not hasattr(self, 'ill')")))
    assert outcome is not None
    assert outcome.success
    lab.generation("users").plugin.ill = True  # type: ignore[union-attr]
    wait_for(lambda: lab.generation("users") is old, "the old one serves")
    wait_for(lambda: lab.running.control.pending() == ["users"], "what is kept for later")


def test_enabling_a_dependent_uses_what_runs_and_not_what_failed_its_probation(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.write("orders", ORDERS)
    lab.start()
    lab.running.control.disable("orders")
    ill_on_demand(lab)
    old = lab.generation("users")
    outcome = lab.running.control.enable("orders")
    assert outcome.success
    assert outcome.reloaded == ("orders",)
    assert lab.generation("users") is old
    assert lab.json("/orders/users") == {"users": 1}
    assert lab.running.control.pending() == ["users"]
    assert lab.running.control.reload("users").success
    assert lab.json("/orders/users") == {"users": 2}


def test_a_save_of_a_dependent_does_not_try_again_what_failed_its_probation(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.write("orders", ORDERS)
    lab.start()
    ill_on_demand(lab)
    old = lab.generation("users")
    outcome = lab.save(("orders", ORDERS + "\n"))
    assert outcome is not None
    assert outcome.reloaded == ("orders",)
    assert lab.generation("users") is old
    outcome = lab.save(("users", users(3)))
    assert outcome is not None
    assert outcome.success
    assert lab.json("/orders/users") == {"users": 3}


def test_enabling_a_plugin_leaves_refused_content_of_what_it_needs_alone(lab: Lab) -> None:
    lab.settings("safety:\n  max_reload_attempts: 1\n")
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.start()
    lab.running.control.disable("orders")
    gate = lab.root / "gate"
    start = f"""
        def initialize(self):
            import pathlib
            assert pathlib.Path({str(gate)!r}).exists()
    """
    assert not lab.save(("users", plugin("users", 2, body=start))).success  # type: ignore[union-attr]
    gate.touch()
    assert lab.running.control.enable("orders").reloaded == ("orders",)
    assert lab.json("/users/version")["version"] == 1


def test_the_outcome_of_a_failed_probation_says_that_it_was_that(lab: Lab) -> None:
    lab.settings(LONG)
    lab.write("users", users(1))
    lab.start()
    ill_on_demand(lab)
    back = next(o for o in lab.running.journal.outcomes() if o.rolled_back)
    assert failed_step(back) == "probation"
