"""Saves of a plugin that is followed are reloaded where those of others are listed."""

from __future__ import annotations

from tests.integration.lab import Lab, plugin


def test_saves_of_what_is_followed_are_reloaded_as_long_as_that_lasts(lab: Lab) -> None:
    lab.settings("reload:\n  automatic: false\n")
    for name in ("users", "orders"):
        lab.write(name, plugin(name))
    control = lab.start().control
    with control.followers.reloading("users"), control.followers.reloading("users"):
        outcome = lab.save(("users", plugin("users", 2)), ("orders", plugin("orders", 2)))
    assert outcome is not None
    assert outcome.plugins == ("users",)
    assert control.pending() == ["orders"]
    assert (lab.json("/users/version")["version"], lab.json("/orders/version")["version"]) == (2, 1)
    assert lab.save(("users", plugin("users", 3))) is None
    assert control.pending() == ["orders", "users"]


def test_what_is_listed_is_told_with_its_plugin(lab: Lab) -> None:
    lab.settings("reload:\n  automatic: false\n")
    lab.write("users", plugin("users"))
    host = lab.start()
    lab.save(("users", plugin("users", 2)))
    waiting = host.registry.view.plugins["users"].reason
    assert waiting == "g1 serves; what is on disk waits to be asked for"
    lab.save(("users", plugin("users")))
    assert host.registry.view.plugins["users"].reason == "g1 is what is on disk"
    told = [e.payload for e in host.journal.events_after(0, 0) if e.kind == "notice"]
    assert [(n["plugin"], n["message"]) for n in told] == [
        ("users", "changed on disk, not reloaded"),
        ("users", "back to the running version"),
    ]
