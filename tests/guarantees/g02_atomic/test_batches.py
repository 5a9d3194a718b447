"""A batch is one transaction: all old or all new."""

from __future__ import annotations

import sys

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for


def test_every_step_is_timed(chain: Lab) -> None:
    outcome = chain.save(("users", plugin("users", 2, top="RATE = 2")))
    assert outcome is not None
    steps = [s.name for s in outcome.steps if s.plugin is None]
    wanted = ["validate", "trial", "stage", "quiesce", "snapshot", "activate", "verify", "commit"]
    assert [s for s in steps if s != "trial"] == [w for w in wanted if w != "trial"]
    journal = chain.running.journal
    wait_for(lambda: journal.outcomes()[0].steps[-1].name == "dispose", "the dispose step")


def test_two_files_of_one_batch_go_live_together_or_not_at_all(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            top="from .rates import RATE",
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": RATE}
    """,
        ),
    )
    lab.write("users/rates.py", "RATE = 1\n")
    lab.start()
    text = lab.path("users").read_text()
    refused = lab.save(("users/rates.py", "RATE = 2\n"), ("users", text + "\nraise ValueError\n"))
    assert refused is not None
    assert not refused.success
    assert lab.json("/users/rate") == {"rate": 1}
    assert lab.save(("users", text)) is not None
    assert lab.json("/users/rate") == {"rate": 2}


@pytest.mark.parametrize("first", ["users", "orders"])
def test_an_edit_made_in_two_saves_goes_live_with_the_second(lab: Lab, first: str) -> None:
    users = plugin("users", top="def rate():\n    return 1")
    orders = plugin(
        "orders",
        top="from plugins.users.plugin import rate",
        routes="""
        @router.get("/rate")
        def show():
            return {"rate": rate()}
    """,
    )
    lab.write("users", users)
    lab.write("orders", orders)
    lab.start()
    edits = {
        "users": users.replace("def rate", "def price").replace("return 1", "return 2"),
        "orders": orders.replace("import rate", "import price").replace("rate()", "price()"),
    }
    second = "orders" if first == "users" else "users"
    refused = lab.save((first, edits[first]))
    assert refused is not None
    assert not refused.success
    assert lab.json("/orders/rate") == {"rate": 1}
    outcome = lab.save((second, edits[second]))
    assert outcome is not None
    assert outcome.result is Result.RELOADED, outcome.diagnostics
    assert lab.json("/orders/rate") == {"rate": 2}
    assert lab.running.control.pending() == []


def test_a_refused_plugin_does_not_hold_its_dependents_back(chain: Lab) -> None:
    assert not chain.save(("users", plugin("users", 2, top="raise ValueError"))).success
    outcome = chain.save(("orders", chain.path("orders").read_text() + "\n# edited\n"))
    assert outcome is not None
    assert outcome.result is Result.RELOADED
    assert outcome.reloaded == ("orders", "mailer")
    assert chain.json("/users/version")["version"] == 1


def test_a_new_plugin_appears_and_vanishes(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    assert lab.get("/hello/version").status_code == 404
    appeared = lab.save(("hello.py", plugin("hello", 7)))
    assert appeared is not None
    assert appeared.success
    assert lab.json("/hello/version")["version"] == 7
    vanished = lab.save(("hello.py", None))
    assert vanished is not None
    assert vanished.success
    assert vanished.removed == ("hello",)
    assert lab.get("/hello/version").status_code == 404
    assert lab.running.registry.view.find("hello") is None
    assert "plugins.hello" not in sys.modules


def test_a_plugin_that_others_need_does_not_vanish(chain: Lab) -> None:
    outcome = chain.save(("users", None))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert chain.json("/users/version")["version"] == 1
    assert chain.json("/mailer/rate") == {"rate": 1}


def test_a_file_is_added_and_deleted(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    added = plugin(
        "users",
        2,
        top="from .extra import MORE",
        routes="""
        @router.get("/more")
        def more():
            return {"more": MORE}
    """,
    )
    assert lab.save(("users/extra.py", "MORE = 5\n"), ("users", added)).success
    assert lab.json("/users/more") == {"more": 5}
    assert "plugins.users.extra" in sys.modules
    assert lab.save(("users/extra.py", None), ("users", plugin("users", 3))).success
    assert lab.get("/users/more").status_code == 404
    assert "plugins.users.extra" not in sys.modules


def test_a_data_file_that_is_read_at_import_counts(lab: Lab) -> None:
    lab.write("users/rates.json", '{"rate": 1}')
    lab.write(
        "users",
        plugin(
            "users",
            top="""
        import json
        from pathlib import Path
        RATE = json.loads((Path(__file__).parent / "rates.json").read_text())["rate"]
    """,
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": RATE}
    """,
        ),
    )
    lab.start()
    assert lab.save(("users/rates.json", '{"rate": 2}')).success
    assert lab.json("/users/rate") == {"rate": 2}
