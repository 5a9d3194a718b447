"""What the running server makes of a project's checks, severities, comments and fixes."""

from __future__ import annotations

import pytest

from devserver.assembly import OfflineProject
from devserver.core.outcome import Outcome, Result
from devserver.validation import checks
from tests.integration.lab import Lab, plugin, wait_for

CHECK = """
from devserver.validation.findings import error

class Check:
    name = "own"

    def check(self, candidate, world):
        {body}

validator = Check()
"""
REFUSES = 'yield error(candidate, "OWN001", "not wanted")'


def saved(lab: Lab, *edits: tuple[str, str | None]) -> Outcome:
    outcome = lab.save(*edits)
    assert outcome is not None
    return outcome


def codes(outcome: Outcome) -> list[str]:
    return [d.code for d in outcome.diagnostics]


def test_an_edited_check_applies_at_the_next_save(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    lab.save(("/validators/own.py", CHECK.format(body=REFUSES)))
    refused = saved(lab, ("users", plugin("users", "2.0.0")))
    assert (refused.result, codes(refused)) == (Result.REJECTED, ["OWN001"])
    lab.save(("/validators/own.py", CHECK.format(body="return ()")))
    assert saved(lab, ("users", plugin("users", "3.0.0"))).result is Result.RELOADED


@pytest.mark.parametrize(
    "body", ["raise SystemExit(1)", "[None for _ in iter(int, 1)]", "return [1]"]
)
def test_a_check_that_fails_refuses_no_save(
    lab: Lab, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.project_validators, "__kwdefaults__", {"seconds": 0.2})
    lab.write("/validators/own.py", CHECK.format(body=body))
    lab.write("users", plugin("users"))
    lab.start()
    outcome = saved(lab, ("users", plugin("users", "2.0.0")))
    assert (outcome.result, codes(outcome)) == (Result.RELOADED, ["STR900"])


def test_a_comment_and_a_severity_let_a_save_pass(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    bad = plugin("users", "2.0.0") + "\ndef late():\n    return 1\n"
    wrong = "from json import dumpz\n" + bad
    refused = saved(lab, ("users", wrong))
    assert (refused.result, codes(refused)) == (Result.REJECTED, ["IMP002"])
    lab.write("/config/main.yaml", "validation: {severity: {IMP002: warning}}\n")
    passed = saved(lab, ("users", wrong + "\nX = 1\n"))
    assert "IMP002" in codes(passed)
    assert passed.result is not Result.REJECTED
    lab.write("/config/main.yaml", "validation: {severity: {IPM002: off}}\n")
    told = saved(lab, ("users", bad + "\nX = 2\n"))
    assert (told.result, codes(told)) == (Result.RELOADED, ["CFG002"])


def test_a_fix_goes_live_like_any_save(lab: Lab) -> None:
    lab.write("users", "import os\n" + plugin("users"))
    lab.start(hot_reload=True)
    before = lab.generation("users").number
    for one in OfflineProject(lab.running.project).fixes():
        assert [file.write() for file in one.files] == [True]
    wait_for(lambda: lab.generation("users").number > before, "the fixed version")
    assert "import os" not in lab.path("users").read_text()
