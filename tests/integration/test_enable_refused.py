"""What stands against an enable is told at once, all of it."""

from __future__ import annotations

import json

from tests.integration.lab import Lab, plugin


def test_every_reason_is_told(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("legacy", plugin("legacy"))
    lab.write("shop", plugin("shop"))
    lab.start()
    lab.running.control.disable("shop")
    manifest = {
        "name": "shop",
        "version": "1.0.0",
        "dependencies": ["nobody", "users>=9", "gone>=1"],
        "conflicts": ["legacy"],
    }
    lab.write("shop/manifest.json", json.dumps(manifest))
    outcome = lab.running.control.enable("shop")
    assert not outcome.success
    told = " | ".join(d.message for d in outcome.diagnostics if d.is_error)
    for word in ("nobody", "gone", "users", "legacy"):
        assert word in told, told
    record = lab.running.registry.view.plugins["shop"]
    assert str(record.status) == "disabled"
    assert "could not be put into service" in record.reason


def test_a_dependency_that_is_out_of_service_is_among_them(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", plugin("orders", top="import plugins.users.plugin"))
    lab.write("mailer", plugin("mailer"))
    lab.write("mailer/manifest.json", json.dumps({"dependencies": ["users", "orders"]}))
    lab.start()
    control = lab.running.control
    control.disable("users", force=True)
    outcome = control.enable("mailer")
    assert not outcome.success
    told = " | ".join([d.message for d in outcome.diagnostics] + [str(outcome.error)])
    assert "users" in told
    assert "orders" in told
