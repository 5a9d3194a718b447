"""config/main.yaml: what is wrong with it, and a save of it while the host runs."""

from __future__ import annotations

import pytest

from devserver.core.errors import DevServerError
from devserver.runtime.host_settings import HostSettings, read_host_settings
from tests.integration.lab import Lab, plugin

MAIN = "/config/main.yaml"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("server: {prot: 1}", "1:10: unknown key server.prot", "did you mean server.port?"),
        ("sever: {port: 1}", "1:1: unknown key sever", "did you mean server?"),
        ("server:\n  port: 99999\n", "2:3: server.port: Input should be less", "correct"),
        ("auth: {tokens: [{name: a, sha256: hunter2}]}", "auth.tokens.0.sha256: String", "correct"),
        ("database: {url: 2024-99-99}\nserver: [", "2:10: expected the node content", "check"),
        ("[" * 2000, "1:1: the document is nested too deeply", "aliases"),
        ("[]", "1:1: the file: Input should be", "correct"),
        ("\xff", "config/main.yaml is not UTF-8", "correct"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(lab: Lab, text: str, said: str, hint: str) -> None:
    lab.write(MAIN, "").write_bytes(text.encode("latin-1"))
    with pytest.raises(DevServerError) as refused:
        read_host_settings(lab.path("/"))
    assert said in refused.value.message
    assert "hunter2" not in refused.value.message
    assert hint in (refused.value.hint or "")


def test_a_section_without_content_has_its_defaults(lab: Lab) -> None:
    lab.write(MAIN, "server:\nauth:\n")
    assert read_host_settings(lab.path("/")) == HostSettings()


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
        (
            "error",
            "config/main.yaml:1:10: unknown key server.prot; nothing of the file changes",
        ),
        (
            "warning",
            "config/main.yaml: server.port, health.interval, on_plugin_failure: from the next "
            "start on",
        ),
        ("info", "config/main.yaml: in force"),
    ]
