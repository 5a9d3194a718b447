"""What programs read: GitHub's workflow commands, SARIF, JSON, and the table of codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from validation_worlds import PIPELINE, cases, findings, sample, world

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.candidate import ValidationReport
from devserver.validation.codes import CODES
from devserver.validation.github import to_commands
from devserver.validation.render import to_document
from devserver.validation.rules import FIXABLE, FIXES, markdown_table, rule_of, rules
from devserver.validation.sarif import to_sarif

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "sarif-2.1.0-rtm.5.json").read_text())
BAD = "import nonexistent_thing\nfrom json import loads, dumpz\n"
RANK = {Severity.ERROR: 2, Severity.WARNING: 1, Severity.INFO: 0}


def report(*diagnostics: Diagnostic) -> ValidationReport:
    return ValidationReport(diagnostics=diagnostics)


def log_of(found: ValidationReport, **codes: str) -> dict[str, Any]:
    log = to_sarif(
        found,
        codes={**CODES, **codes},
        root=Path("/my project"),
        version="0.1.0",
        ended=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        exit_code=5,
    )
    loaded: dict[str, Any] = json.loads(json.dumps(log))
    jsonschema.Draft4Validator(SCHEMA).validate(loaded)
    return loaded


def test_the_schema_refuses_what_is_no_sarif() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SCHEMA).validate({"version": "2.1.0", "runs": [{}]})


def test_every_finding_of_the_corpus_is_a_valid_sarif_result() -> None:
    found = [
        d
        for name in ("syntax.txt", "structure.txt", "manifests.txt")
        for case in cases(name)
        for d in findings(case.plugins)
    ]
    (run,) = log_of(report(*found))["runs"]
    assert len(run["results"]) == len(found) > 50
    written = run["tool"]["driver"]["rules"]
    assert all(written[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    prints = [r["partialFingerprints"]["finding/v1"] for r in run["results"]]
    assert len(set(prints)) == len(prints)
    for rule in written:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_a_sarif_result_has_its_place_below_the_project() -> None:
    (run,) = log_of(PIPELINE.run(world({"my users": BAD + sample("users")})))["runs"]
    results = [r for r in run["results"] if r["ruleId"] == "IMP002"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "plugins/my%20users/plugin.py",
        "uriBaseId": "PROJECTROOT",
    }
    assert run["originalUriBaseIds"]["PROJECTROOT"]["uri"] == "file:///my%20project/"
    region = dict(place["region"])
    assert region.pop("snippet") == {"text": "from json import loads, dumpz"}
    assert region == {"startLine": 2, "endLine": 2, "startColumn": 25, "endColumn": 30}
    assert run["columnKind"] == "utf16CodeUnits"
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_columns_count_utf16_code_units() -> None:
    found = findings({"users": "x = '😀' $\n" + sample("users")})
    (run,) = log_of(report(*found))["runs"]
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    text = found[0].source_lines[0]
    assert text.encode("utf-16-le")[2 * (region["startColumn"] - 1) :].decode("utf-16-le")[0] == "$"


def test_a_fingerprint_lives_through_edits_above_it() -> None:
    def print_of(text: str) -> str:
        (run,) = log_of(report(*findings({"users": text + sample("users")})))["runs"]
        return str(run["results"][0]["partialFingerprints"]["finding/v1"])

    assert print_of("import gone_a\n") == print_of("x = 1\n\n\nimport gone_a\n")
    assert print_of("import gone_a\n") != print_of("import gone_b\n")


def test_a_code_of_the_projects_own_is_a_rule_too() -> None:
    own = Diagnostic(code="OWN001", severity=Severity.INFO, message="m")
    (run,) = log_of(report(own), OWN001="still to do")["runs"]
    (rule,) = [r for r in run["tool"]["driver"]["rules"] if r["id"] == "OWN001"]
    assert rule["shortDescription"]["text"] == "still to do"
    assert run["results"][0]["level"] == "note"
    assert "locations" not in run["results"][0]


def test_github_commands_name_the_place_and_escape_what_would_end_them() -> None:
    one = Diagnostic(
        code="IMP001",
        severity=Severity.ERROR,
        message="100% of a: b,\r\nc",
        file="plugins/a,b:c%/plugin.py",
        line=3,
        column=5,
        end_line=3,
        end_column=9,
        hint="do",
    )
    assert list(to_commands(report(one), prefix="sub/")) == [
        "::error file=sub/plugins/a%2Cb%3Ac%25/plugin.py,line=3,endLine=3,col=5,endColumn=8,"
        "title=IMP001::100%25 of a: b,%0D%0Ac%0Ahint: do"
    ]


def test_github_commands_without_a_whole_place_leave_it_out() -> None:
    over_lines = Diagnostic(
        code="A", severity=Severity.WARNING, message="m", file="f", line=1, column=2, end_line=4,
        end_column=1,
    )  # fmt: skip
    no_place = Diagnostic(code="B", severity=Severity.INFO, message="m")
    assert list(to_commands(report(over_lines, no_place))) == [
        "::warning file=f,line=1,endLine=4,title=A::m",
        "::notice title=B::m",
    ]


def test_the_document_says_what_can_be_fixed() -> None:
    found = PIPELINE.run(world({"users": BAD + sample("users")}))
    assert {d["fixable"] for d in to_document(found)["diagnostics"]} == {False}
    unused = Diagnostic(code="IMP020", severity=Severity.INFO, message="m")
    assert to_document(report(unused))["diagnostics"][0]["fixable"] is True


def test_every_code_has_an_example_of_what_to_write_and_no_other_has() -> None:
    assert set(FIXES) == set(CODES)
    assert set(CODES) >= FIXABLE
    assert all(rule.meaning and rule.fix for rule in rules())


def test_no_finding_is_worse_than_its_rule_says() -> None:
    for name in ("syntax.txt", "structure.txt", "manifests.txt", "imports.txt"):
        for case in cases(name):
            for found in findings({"users": sample("users"), **case.plugins}):
                assert RANK[found.severity] <= RANK[rule_of(found.code).severity], found


def test_the_documented_table_is_that_of_the_code() -> None:
    written = HERE.parents[3] / "validators" / "CODES.md"
    assert written.read_text(encoding="utf-8") == markdown_table(), (
        "write it anew: sysctl dev plugin codes --format markdown > validators/CODES.md"
    )
