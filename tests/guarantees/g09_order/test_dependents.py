"""Dependencies first, in one transaction."""

from __future__ import annotations

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin


def test_an_edit_goes_live_with_its_dependents_in_order(chain: Lab) -> None:
    outcome = chain.save(("users", plugin("users", 2, top="RATE = 2")))
    assert outcome is not None
    assert outcome.result is Result.RELOADED
    assert outcome.plugin == "users"
    assert outcome.reloaded == ("users", "orders", "mailer")
    assert chain.json("/users/version")["version"] == 2
    assert chain.json("/mailer/rate") == chain.json("/orders/rate") == {"rate": 2}
    assert outcome.generation == 2
    assert outcome.serving == {"users": 2, "orders": 2, "mailer": 2}


def test_a_cycle_is_refused_with_its_path(chain: Lab) -> None:
    text = "from plugins.mailer.plugin import VERSION as _\n" + plugin("users", 2, top="RATE = 2")
    outcome = chain.save(("users", text))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    told = " ".join(d.message for d in outcome.diagnostics)
    assert "→" in told
    assert chain.json("/users/version")["version"] == 1
