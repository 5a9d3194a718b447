"""A project's own checks: what one of them does wrong is told, and stops no other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from validation_worlds import codes, findings, sample, world

from devserver.core.diagnostics import Diagnostic
from devserver.validation.checks import project_validators
from devserver.validation.pipeline import Pipeline

HEAD = """\
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.findings import error, warning
"""
CHECK = (
    HEAD
    + """
class Check:
    name = "{name}"
    codes = {{"OWN001": "a name that we do not want"}}

    def check(self, candidate, world):
        {body}

validator = Check()
"""
)
GOOD = 'yield warning(candidate, "OWN002", "seen")'


def run(
    folder: Path, plugins: tuple[str, ...] = ("users",), **bodies: str
) -> tuple[Diagnostic, ...]:
    for name, body in bodies.items():
        (folder / f"{name}.py").write_text(CHECK.format(name=name, body=body))
    found, problems = project_validators(folder, seconds=0.2)
    report = Pipeline(found).run(world({n: sample(n) for n in plugins}, base=folder.parent))
    return (*problems, *report.diagnostics)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return 7", "TypeError"),
        ("return None", "TypeError"),
        ("yield 'text'", "a check gives Diagnostics, not str"),
        ("yield error(candidate, 'x', 'y')", "'x' is no code"),
        ("yield Diagnostic(code='OWN001', severity='bad', message='m')", "severity is a Severity"),
        (
            "yield Diagnostic(code='OWN001', severity=Severity.INFO, message='m', line='7')",
            "line counts from 1",
        ),
        ("[None for _ in iter(int, 1)]", "did not end within 0.2 s"),
    ],
)
def test_a_check_that_fails_is_told_and_the_others_run(
    tmp_path: Path, body: str, told: str
) -> None:
    found = run(tmp_path, a_bad=body, b_good=GOOD)
    assert codes(found) == ["OWN002?", "STR900?"]
    (failure,) = [d for d in found if d.code == "STR900"]
    assert told in failure.message
    assert failure.file == f"{tmp_path.name}/a_bad.py"


def test_what_a_check_found_before_it_hung_or_raised_is_not_half_told(tmp_path: Path) -> None:
    found = run(tmp_path, a=f"{GOOD}\n        raise KeyError(1)")
    assert codes(found) == ["STR900?"]
    assert found[0].line is not None


def test_a_check_that_hangs_is_waited_for_once_and_leaves_no_thread(tmp_path: Path) -> None:
    found = run(tmp_path, ("a", "b", "c"), hangs="[None for _ in iter(int, 1)]")
    assert codes(found) == ["STR900?"]
    assert not [t for t in threading.enumerate() if t.name.startswith("devserver-check")]


def test_files_that_cannot_be_loaded_are_told_with_their_line(tmp_path: Path) -> None:
    for name, text in {
        "a_syntax": "x = 1\ndef f(:\n",
        "b_exits": "import sys\nsys.exit(1)\n",
        "c_hangs": "while True: pass\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = run(tmp_path, good=GOOD)
    assert codes(found) == ["STR900?", "STR900?", "STR900?", "OWN002?"]
    assert [d.line for d in found[:2]] == [2, 2]


def test_two_checks_of_one_name_and_one_named_like_a_built_in_are_told(tmp_path: Path) -> None:
    run(tmp_path, first=GOOD)
    (tmp_path / "second.py").write_text(CHECK.format(name="first", body=GOOD))
    (tmp_path / "third.py").write_text(CHECK.format(name="syntax", body=GOOD))
    found = run(tmp_path)
    assert codes(found) == ["STR900?", "STR900?", "OWN002?"]
    assert "that of the check in first.py" in found[0].message
    assert "that of a built-in check" in found[1].message


def test_a_check_has_codes_of_its_own_that_severities_and_comments_know(tmp_path: Path) -> None:
    folder = tmp_path / "validators"
    folder.mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "main.yaml").write_text("validation: {severity: {OWN001: error}}\n")
    body = 'yield warning(candidate, "OWN001", "m")'
    assert codes(run(folder, own=body)) == ["OWN001"]
    (folder / "own.py").unlink()
    assert codes(run(folder)) == ["CFG002?"]


def test_the_built_in_checks_say_nothing_of_a_good_plugin() -> None:
    assert findings({"users": sample("users")}) == ()
