"""What was neither kept nor passed is named wherever the outcome is shown."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from devserver.cli.plain import PlainView
from devserver.cli.rich_view import RichView
from devserver.core.outcome import Outcome
from tests.integration.lab import Lab, plugin

TOP = """
PERSISTENT = ("cache",)
cache = {}
class Gone:
    pass
"""


@pytest.fixture
def lossy(lab: Lab) -> Outcome:
    """The outcome of a reload in which two plugins lose something."""
    lab.write("users", plugin("users", top=TOP, init="self.last = None"))
    orders = plugin("orders", top="import plugins.users.plugin", init="self.buyer = None")
    lab.write("orders", orders)
    lab.start()
    module = sys.modules["plugins.users.plugin"]
    module.cache["a"] = lab.generation("users").plugin.last = module.Gone()
    lab.generation("orders").plugin.buyer = module.Gone()
    text = plugin("users", 2, top=TOP.replace("Gone", "Other"), init="self.last = None")
    outcome = lab.save(("users", text))
    assert outcome is not None
    assert outcome.success
    return outcome


LOST = ("last", "plugin:cache", "orders.buyer")


def test_the_outcome_names_what_is_lost(lossy: Outcome) -> None:
    assert lossy.state.lost == LOST
    assert lossy.to_json()["state"]["lost"] == list(LOST)


def test_the_terminal_names_what_is_lost(lossy: Outcome) -> None:
    shown = io.StringIO()
    RichView(Console(file=shown, width=200)).outcome(lossy)
    assert "! state lost: last, plugin:cache, orders.buyer" in shown.getvalue()


def test_a_record_in_a_file_names_what_is_lost(lossy: Outcome) -> None:
    written = io.StringIO()
    PlainView(written).outcome(lossy, 0.0)
    assert "state_lost=last,plugin:cache,orders.buyer" in written.getvalue()
