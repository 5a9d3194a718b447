"""What config/hot-loading.yaml says is in force when `apply_settings` returns."""

from __future__ import annotations

from tests.integration.lab import Lab


def test_the_file_is_read_though_nothing_is_watched(lab: Lab) -> None:
    host = lab.start()
    lab.settings("development_mode: false\n")
    assert host.settings.development_mode
    host.control.apply_settings()
    assert not host.settings.development_mode
    assert host.journal.events_after(0, 0)[-1].payload == {"ok": True, "diagnostics": []}


def test_what_is_said_for_a_run_holds_until_it_is_taken_back(lab: Lab) -> None:
    lab.settings("development_mode: false\n")
    host = lab.start()
    host.control.apply_settings(True)
    assert host.settings.development_mode
    assert host.control.in_force.to_json()["for_this_run"]
    lab.settings("development_mode: false\nreload:\n  timeout: 7\n")
    host.changed(lab.path("/config/hot-loading.yaml"))
    assert (host.settings.development_mode, host.settings.reload.timeout) == (True, 7)
    host.control.apply_settings()
    assert not host.settings.development_mode


def test_what_is_said_for_a_run_holds_where_the_file_is_refused(lab: Lab) -> None:
    lab.settings("development_mode: false\nreload:\n  timeout: 7\n")
    host = lab.start()
    lab.settings("nonsense: true\n")
    host.control.apply_settings(True)
    assert (host.settings.development_mode, host.settings.reload.timeout) == (True, 7)
    told = host.control.in_force.to_json()
    assert (told["ok"], told["diagnostics"][0]["line"]) == (False, 2)
