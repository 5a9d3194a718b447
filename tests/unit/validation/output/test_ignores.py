"""Comments that silence findings, and severities that a project changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from validation_worlds import codes, findings, sample, world

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.checks import built_in_validators
from devserver.validation.codes import CODES
from devserver.validation.pipeline import Pipeline
from devserver.validation.severity import overrides_in


def of(text: str) -> list[str]:
    return codes(findings({"users": text + sample("users")}))


@pytest.mark.parametrize(
    "text",
    [
        "from json import dumpz  # devserver: ignore[IMP002]\n",
        "from json import dumpz  # devserver:ignore[imp002]\n",
        "from json import (  # devserver: ignore[IMP002]\n    loads,\n    dumpz,\n)\n",
        "from json import (\n    loads,\n    dumpz,  # devserver: ignore[IMP002]\n)\n",
        "# devserver: ignore-file[IMP002]\n\nfrom json import dumpz\n",
        '"""Text."""\n# devserver: ignore-file[IMP002]\nfrom json import dumpz\n',
        "import gone_a; from json import x1  # devserver: ignore[IMP001, IMP002]\n",
    ],
)
def test_a_comment_silences_its_codes_on_its_statement(text: str) -> None:
    assert of(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from json import dumpz  # devserver: ignore[IMP001]\n", ["IMP002"]),
        ("x = '# devserver: ignore[IMP002]'\nfrom json import dumpz\n", ["IMP002"]),
        ("x = 1  # devserver: ignore[IMP002]\nfrom json import dumpz\n", ["IMP002"]),
        ("def f(:  # devserver: ignore[SYN002]\n", ["SYN002"]),
        (
            "def f():  # devserver: ignore[IMP002]\n    x = 1\n    from json import dumpz\n",
            ["IMP002?"],
        ),
    ],
)
def test_a_comment_elsewhere_or_for_another_code_does_not(text: str, expected: list[str]) -> None:
    assert [c for c in of(text) if c != "STR901?"] == expected


def unused(text: str) -> list[Diagnostic]:
    return [d for d in findings({"users": text + sample("users")}) if d.code == "STR901"]


def test_unused_ignores_are_told_at_their_place() -> None:
    (found,) = unused("x = 1\ny = 2  # devserver: ignore[IMP009]\n")
    assert (found.severity, found.line, found.column, found.end_column) == (
        Severity.WARNING, 2, 28, 34,
    )  # fmt: skip
    assert found.message == "nothing gives IMP009 here"


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("ignore", "names no code"),
        ("ignore[]", "names no code"),
        ("ignore[IPM009]", "there is no code 'IPM009'"),
        ("ignore[SYN002]", "SYN002 cannot be silenced"),
        ("ignore[STR901]", "STR901 cannot be silenced"),
        ("ignore-file[STR012]", "stands below the first statement"),
        ("ignore[IMP001]", "nothing gives IMP001"),
    ],
)
def test_what_is_wrong_with_an_ignore_is_said(comment: str, message: str) -> None:
    (found,) = unused(f"x = 1  # devserver: {comment}\n")
    assert message in found.message
    assert found.hint


def test_nothing_is_said_of_codes_that_this_run_could_not_have_given() -> None:
    assert unused("x = 1  # devserver: ignore[CMP003, IMP020, DEP003]\n") == []
    assert unused("import json  # devserver: ignore[IMP001]\n") == []


def with_settings(tmp_path: Path, text: str) -> Pipeline:
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "main.yaml").write_text(text)
    return Pipeline(built_in_validators())


def severities(pipeline: Pipeline, tmp_path: Path, text: str) -> list[str]:
    judged = world({"users": text + sample("users")}, base=tmp_path)
    return codes(pipeline.run(judged).diagnostics)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("warning", ["IMP001?"]), ("info", ["IMP001i"]), ("off", []), ("error", ["IMP001"])],
)
def test_a_project_changes_how_bad_a_code_is(
    tmp_path: Path, word: str, expected: list[str]
) -> None:
    text = f"validation:\n  severity:\n    IMP001: {word}\n"
    pipeline = with_settings(tmp_path, text)
    assert severities(pipeline, tmp_path, "import gone_a\n") == expected


def test_an_edit_of_the_severities_is_in_force_at_the_next_run(tmp_path: Path) -> None:
    pipeline = with_settings(tmp_path, "server: {port: 1}\n")
    file = tmp_path / "config" / "main.yaml"
    assert severities(pipeline, tmp_path, "import gone_a\n") == ["IMP001"]
    file.write_text("validation: {severity: {IMP001: info}}\n")
    assert severities(pipeline, tmp_path, "import gone_a\n") == ["IMP001i"]
    file.write_text("validation: {severity: {IMP001: [\n")  # no YAML: the old ones stay
    assert severities(pipeline, tmp_path, "import gone_a\n") == ["CFG001?", "IMP001i"]
    file.unlink()
    assert severities(pipeline, tmp_path, "import gone_a\n") == ["IMP001"]


@pytest.mark.parametrize(
    ("text", "code", "place", "hint"),
    [
        ("{severity: {IPM001: off}}", "CFG002", "1:25", "IMP001"),
        ("{severity: {IMP001: of}}", "CFG004", "1:33", "off"),
        ("{severity: {SYN002: off}}", "CFG004", "1:25", "correct"),
        ("{severty: {}}", "CFG002", "1:14", "severity"),
        ("[]", "CFG003", "1:13", ""),
    ],
)
def test_a_wrong_severity_is_told_with_place_and_nearest_word(
    text: str, code: str, place: str, hint: str
) -> None:
    (found,) = overrides_in(f"validation: {text}\n", CODES).problems
    assert (found.code, found.severity) == (code, Severity.ERROR)
    assert found.location == f"config/main.yaml:{place}"
    assert hint in (found.hint or "")
