"""config/main.yaml is saved while the host runs."""

from __future__ import annotations

from tests.integration.lab import Lab, plugin

MAIN = "/config/main.yaml"


def test_a_save_says_what_comes_of_it(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    saves = (
        "server: {prot: 1}\n",
        "server: {port: 9}\nhealth: {interval: 7}\non_plugin_failure: abort\n",
        "server: {port: 9}\nhealth: {interval: 7}\non_plugin_failure: abort\n# again\n",
        "validation: {severity: {IMP002: warning}}\n",
    )
    for text in saves:
        assert lab.save((MAIN, text)) is None
    events = lab.running.journal.events_after(0, 0)
    told = [(e.payload["level"], e.payload["message"]) for e in events if e.kind == "notice"]
    assert told == [
        ("error", "config/main.yaml:1:10: unknown key server.prot; nothing of the file changes"),
        (
            "warning",
            "config/main.yaml: server.port, health.interval, on_plugin_failure: from the next "
            "start on",
        ),
        ("info", "config/main.yaml: in force"),
    ]
