"""A plugin is stopped and started anew, in one transaction: nothing of its state goes on."""

from __future__ import annotations

import json
import sys

import pytest

from devserver.core.errors import PluginNotFound, PluginUnavailable
from devserver.core.outcome import Result, StateReport
from tests.integration.lab import Lab, plugin, wait_for

TOP = """
PERSISTENT = ("total",)
total = 0
CALLS = []
"""
BODY = """
def on_load(self, ctx):
    CALLS.append("on_load")

def initialize(self):
    self.register_connection("link", object())
    CALLS.append("initialize")

def shutdown(self):
    CALLS.append("shutdown")

def get_persistent_state(self):
    raise RuntimeError("its state is in a mess")

def migrate_state(self, state, from_version):
    raise AssertionError("there is nothing to migrate")

def adopt_connection(self, connection_id, connection):
    raise AssertionError("there is nothing to adopt")
"""
ORDERS = plugin(
    "orders", top="from plugins.users import plugin as users", init="self.users = None\nself.n = 0"
)


def users(initialize: str = "pass") -> str:
    return plugin(
        "users",
        top=TOP,
        body=BODY.replace('CALLS.append("init', f'{initialize}\n    CALLS.append("init'),
    )


def test_its_state_begins_anew_and_the_hooks_of_both_ways_run(lab: Lab) -> None:
    lab.write("users", users())
    lab.start()
    old = lab.generation("users")
    calls = old.table.modules["plugins.users.plugin"].CALLS
    old.table.modules["plugins.users.plugin"].total = 7
    lab.json("/users/hit")
    outcome = lab.running.control.restart("users")
    assert (outcome.success, outcome.deed, outcome.generation) == (True, "restarted", 2)
    assert outcome.message == "Plugin users restarted successfully"
    assert outcome.state == StateReport()
    new = lab.generation("users")
    assert new.plugin is not old.plugin
    assert new.table.modules["plugins.users.plugin"].total == 0
    assert new.table.modules["plugins.users.plugin"].CALLS == ["on_load", "initialize"]
    assert new.connections["link"] is not old.connections["link"]
    wait_for(lambda: calls == ["on_load", "initialize", "shutdown"], "the way out")
    assert lab.json("/users/hit") == {"hits": 1}


def test_what_is_in_the_database_stays(lab: Lab) -> None:
    routes = """
        @router.post("/keep")
        def keep():
            self.ctx.data.set("kept", 3)
            return {}

        @router.get("/kept")
        def kept():
            return {"kept": self.ctx.data.get("kept")}
    """
    lab.write("users", plugin("users", routes=routes))
    lab.start()
    assert lab.ask("POST", "/users/keep").status_code == 200
    assert lab.running.control.restart("users").success
    assert lab.json("/users/kept") == {"kept": 3}


def test_dependents_come_along_with_their_state(lab: Lab) -> None:
    lab.write("users", users())
    lab.write("orders", ORDERS)
    lab.start()
    orders = lab.generation("orders").plugin
    orders.n, orders.users = 5, lab.generation("users").plugin
    lab.json("/users/hit")
    outcome = lab.running.control.restart("users")
    assert outcome.reloaded == ("users", "orders")
    assert outcome.state.kept == ("orders.n", "orders.users")
    now = lab.generation("orders").plugin
    assert now.n == 5
    assert now.users is lab.generation("users").plugin
    assert lab.json("/users/hit") == {"hits": 1}


def test_one_that_does_not_start_leaves_the_old_one_with_its_state(lab: Lab) -> None:
    lab.write("users", users())
    lab.start()
    old = lab.generation("users")
    lab.json("/users/hit")
    lab.write("users", users("raise RuntimeError('not today')"))
    outcome = lab.running.control.restart("users")
    assert (outcome.result, outcome.deed) == (Result.ROLLED_BACK, "")
    assert lab.generation("users") is old
    assert lab.json("/users/hit") == {"hits": 2}


def test_a_later_save_of_what_did_not_restart_keeps_the_state(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    lab.json("/users/hit")
    lab.write("users", plugin("users", body="def initialize(self):\n    return False"))
    assert not lab.running.control.restart("users").success
    outcome = lab.save(("users", plugin("users", 2)))
    assert outcome is not None
    assert (outcome.success, outcome.deed) == (True, "")
    assert lab.json("/users/hit") == {"hits": 2}


EXCLUSIVE = """
def initialize(self):
    CALLS.append("start")
    {initialize}

def shutdown(self):
    CALLS.append("stop")
    self.seen.clear()
"""


def exclusive(lab: Lab, initialize: str) -> None:
    lab.write("port/manifest.json", json.dumps({"name": "port", "exclusive": True}))
    body = EXCLUSIVE.format(initialize=initialize)
    top = "import sys\nCALLS = sys.__dict__.setdefault('_port_calls', [])"
    lab.write("port", plugin("port", top=top, init="self.seen = []", body=body))


def test_an_exclusive_one_stops_first_and_starts_again_with_its_state(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(sys, "_port_calls", calls, raising=False)
    exclusive(lab, "pass")
    lab.settings("safety:\n  trial_process: false\n")
    lab.start()
    lab.generation("port").plugin.seen.append(1)
    exclusive(lab, "return False")
    assert not lab.running.control.restart("port").success
    assert calls == ["start", "stop", "start", "stop", "start"]
    assert lab.generation("port").plugin.seen == [1]
    exclusive(lab, "pass")
    del calls[:]
    assert lab.running.control.restart("port").success
    assert calls[:2] == ["stop", "start"]
    assert lab.generation("port").plugin.seen == []


def test_what_is_not_there_or_out_of_service_is_not_restarted(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    control = lab.start().control
    with pytest.raises(PluginNotFound):
        control.restart("nobody")
    control.disable("users")
    with pytest.raises(PluginUnavailable, match="disabled"):
        control.restart("users")


def test_all_are_reloaded_dependencies_first_and_none_twice(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.write("asleep", plugin("asleep"))
    lab.write("broken", plugin("broken"))
    control = lab.start().control
    control.disable("asleep")
    lab.write("broken", "def")
    outcomes = control.reload_all()
    assert [(o.plugin, o.result) for o in outcomes] == [
        ("broken", Result.REJECTED),
        ("users", Result.RELOADED),
    ]
    assert outcomes[1].reloaded == ("users", "orders")
