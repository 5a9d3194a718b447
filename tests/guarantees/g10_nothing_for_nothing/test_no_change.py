"""A save that changes nothing does nothing, and a broken plugin disturbs no other."""

from __future__ import annotations

import pytest

from devserver.core.outcome import Result
from devserver.reload.notify import NAME
from tests.integration.lab import Lab, plugin, wait_for


def test_content_that_returns_to_the_running_version_does_nothing(chain: Lab) -> None:
    text = chain.path("users").read_text()
    generation = chain.generation("users")
    assert not chain.save(("users", "broken(")).success
    assert chain.save(("users", text)) is None
    record = chain.running.registry.view.find("users")
    assert record is not None
    assert (record.pending, record.diagnostics) == (False, ())
    assert chain.generation("users") is generation


def test_a_save_that_changes_nothing_does_nothing(chain: Lab) -> None:
    generation = chain.generation("users")
    assert chain.save(("users", chain.path("users").read_text())) is None
    assert chain.generation("users") is generation
    assert chain.running.journal.outcomes() == []


def test_an_explicit_reload_is_never_unchanged(chain: Lab) -> None:
    outcome = chain.running.control.reload("users")
    assert outcome.result is Result.RELOADED
    assert outcome.generation == 2


def test_a_broken_plugin_at_the_start_disturbs_no_other(lab: Lab) -> None:
    lab.write("users", "def broken(:\n")
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as V"))
    lab.write("hello", plugin("hello"))
    lab.start()
    statuses = {k: str(r.status) for k, r in lab.running.registry.view.plugins.items()}
    assert statuses == {"users": "failed", "orders": "failed", "hello": "active"}
    answer = lab.get("/users/version")
    assert answer.status_code == 503
    assert answer.json["diagnostics"]
    assert lab.save(("users", plugin("users"))).success
    assert lab.json("/orders/version")["version"] == 1


def test_a_changed_configuration_reloads_exactly_who_reads_it(chain: Lab) -> None:
    chain.write("hello", plugin("hello"))
    chain.save(("hello", plugin("hello")))
    outcome = chain.save(("/config/plugins.yaml", "mailer:\n  sender: me\n"))
    assert outcome is not None
    assert outcome.reloaded == ("mailer",)
    assert chain.generation("mailer").config == {"sender": "me"}


def test_a_hot_setting_applies_without_a_restart(chain: Lab) -> None:
    chain.settings("reload:\n  automatic: false\n")
    chain.running.changed(chain.path("/config/hot-loading.yaml"))
    assert chain.save(("users", plugin("users", 2, top="RATE = 2"))) is None
    assert chain.running.control.pending() == ["users"]
    assert chain.json("/users/version")["version"] == 1
    assert chain.running.control.reload("users").success
    assert chain.json("/users/version")["version"] == 2


def test_how_files_are_watched_is_shown_as_it_is_now(lab: Lab) -> None:
    status = lab.start(hot_reload=True).control.watch_status
    assert status()["watching"]
    for text, shown in (
        ("watch:\n  force_polling: true\n", {"watching": True, "mode": "polling"}),
        ("enabled: false\n", {"watching": False, "mode": NAME}),
        ("{}", {"watching": True, "mode": NAME}),
    ):
        lab.settings(text)
        wait_for(lambda shown=shown: status() == shown, f"{shown}")


def test_what_waited_to_be_asked_for_goes_live_when_reloads_are_automatic_again(
    chain: Lab,
) -> None:
    for automatic, outcome in (("false", None), ("true", ("users", "orders", "mailer"))):
        chain.settings(f"reload:\n  automatic: {automatic}\n")
        told = chain.running.changed(chain.path("/config/hot-loading.yaml"))
        assert (None if told is None else told.reloaded) == outcome
        if outcome is None:
            assert chain.save(("users", plugin("users", 2, top="RATE = 2"))) is None
    assert chain.json("/users/version")["version"] == 2
    assert chain.running.control.pending() == []
    assert chain.running.changed(chain.path("/config/hot-loading.yaml")) is None


def test_invalid_settings_leave_the_old_ones_in_force(chain: Lab) -> None:
    chain.settings("reload:\n  timeout: soon\n")
    chain.running.changed(chain.path("/config/hot-loading.yaml"))
    assert chain.running.settings.reload.timeout == 30
    (told,) = [e for e in chain.running.journal.events_after(0, 0) if e.kind == "settings"]
    assert told.payload["ok"] is False
    assert told.payload["diagnostics"][0]["line"] == 3


def test_content_that_failed_in_a_hook_is_tried_again_and_told_once(lab: Lab) -> None:
    lab.settings("safety:\n  max_reload_attempts: 3\n  cooldown_period: 0.01\n")
    lab.write("users", plugin("users"))
    lab.write("/flag", "")
    lab.start()
    patient = plugin(
        "users",
        2,
        top="from pathlib import Path",
        body="""
        def initialize(self):
            flag = Path(__file__).parents[2] / "flag"
            flag.write_text(flag.read_text() + "x")
            return len(flag.read_text()) >= 3
    """,
    )
    first = lab.save(("users", patient))
    assert first is not None
    assert first.result is Result.ROLLED_BACK
    wait_for(lambda: lab.json("/users/version")["version"] == 2, "the third attempt")
    (outcome,) = lab.running.journal.outcomes()
    assert outcome.success
    assert "attempt 3 of 3" in outcome.notes


SLOW = """
def initialize(self):
    threading.Event().wait(0.4)
"""


@pytest.mark.parametrize(
    ("before", "code", "after"),
    [
        ("timeout: 0.2", "RUN002", "timeout: 20"),
        ("validation: true", "CFG003", "validation: false"),
    ],
)
def test_what_the_settings_refused_is_tried_again_under_others(
    lab: Lab, before: str, code: str, after: str
) -> None:
    once = "safety:\n  max_reload_attempts: 1\nreload:\n  "
    lab.settings(once + before)
    lab.write("users", plugin("users"))
    lab.write("users/manifest.json", '{"configuration": {"size": {"type": "integer"}}}')
    lab.start()
    slow = plugin("users", 2, top="import threading", body=SLOW)
    size = "many" if code == "CFG003" else "3"
    outcome = lab.save(("users", slow), ("/config/plugins.yaml", f"users: {{size: {size}}}"))
    assert outcome is not None
    assert [d.code for d in outcome.diagnostics if d.is_error] == [code]
    lab.settings(once + after)
    lab.running.changed(lab.path("/config/hot-loading.yaml"))
    wait_for(lambda: lab.running.control.pending() == [], "another try")
    assert lab.json("/users/version")["version"] == 2


def test_what_validation_refused_is_not_retried(lab: Lab) -> None:
    lab.settings("safety:\n  cooldown_period: 0\n")
    lab.write("users", plugin("users"))
    lab.start()
    lab.save(("users", "broken("))
    lab.save(("users", plugin("users", 2)))
    assert [o.result for o in lab.running.journal.outcomes()] == [Result.RELOADED, Result.REJECTED]
