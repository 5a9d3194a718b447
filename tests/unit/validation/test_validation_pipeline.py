"""The pipeline, its order and manners, and how checks are loaded."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from validation_worlds import PIPELINE, codes, findings, sample, world

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation import checks
from devserver.validation.candidate import Candidate, World
from devserver.validation.pipeline import Pipeline
from devserver.validation.render import code_frame, to_document


@dataclass
class Raising:
    """Finds something and then breaks."""

    name: str = "raising"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        yield Diagnostic(code="XXX001", severity=Severity.INFO, message="found")
        raise KeyError("gone")


def test_a_check_that_raises_is_reported_and_stops_no_other() -> None:
    pipeline = Pipeline([Raising(), *PIPELINE.validators])
    report = pipeline.run(world({"users": "import nonexistent_thing\n" + sample("users")}))
    assert sorted(codes(report.diagnostics)) == ["IMP001", "STR900?", "XXX001i"]
    failure = next(d for d in report.diagnostics if d.code == "STR900")
    assert failure.message == "the check 'raising' failed: KeyError: 'gone'"
    assert failure.file is not None
    assert failure.file.endswith(Path(__file__).name)
    assert failure.line is not None
    assert report.refused


def test_findings_are_unique_and_in_order() -> None:
    broken = "from json import b_, a_\nimport nonexistent_thing\n"
    pipeline = Pipeline([*PIPELINE.validators, *PIPELINE.validators])
    report = pipeline.run(
        world({"b": broken + sample("b"), "a": {"plugin.py": "x =\n", "other.py": broken}})
    )
    told = [(d.plugin, d.file, d.line, d.column) for d in report.diagnostics]
    assert told == sorted(told)
    assert len(told) == len(set(told)) == 7
    assert report.ms > 0


def test_findings_carry_the_lines_around_them() -> None:
    text = "import os\nimport re\n\nfrom json import (\n    dumpz,\n)\n" + sample("users")
    (found,) = findings({"users": text})
    assert found.lines_before == ("", "from json import (")
    assert found.source_lines == ("    dumpz,",)
    assert found.lines_after == (")",)
    assert Diagnostic.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_an_ignore_comment_silences_only_its_code_on_its_line() -> None:
    top = "import nonexistent_a  # devserver: ignore[IMP002]\nimport nonexistent_b\n"
    assert codes(findings({"users": top + sample("users")})) == ["IMP001", "IMP001"]
    top = "import nonexistent_a  # devserver: ignore[IMP001]\nimport nonexistent_b\n"
    assert [d.line for d in findings({"users": top + sample("users")})] == [2]
    assert codes(findings({"users": "x = )  # devserver: ignore[SYN002]\n"})) == ["SYN002"]


def test_built_in_checks_are_loaded_in_order_from_their_files() -> None:
    assert [v.name for v in checks.built_in_validators()] == list(checks.BUILT_IN)
    assert checks.project_validators(checks.built_in_folder()) == ([], [])
    assert not any(name.startswith("_devserver_check_") for name in sys.modules)


OWN_CHECK = """
from __future__ import annotations
from dataclasses import dataclass
from devserver.validation.findings import warning

@dataclass
class NoTodo:
    name: str = "todo"

    def check(self, candidate, world):
        for analysis in candidate.modules.values():
            if "TODO" in analysis.bound:
                yield warning(candidate, "OWN001", "still to do", file=analysis.file)

validator = NoTodo()
"""


def test_a_projects_own_check_runs_beside_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "todo.py").write_text(OWN_CHECK)
    found, problems = checks.project_validators(tmp_path)
    assert problems == []
    pipeline = Pipeline([*PIPELINE.validators, *found])
    report = pipeline.run(world({"users": sample("users") + "TODO = 1\n"}))
    assert codes(report.diagnostics) == ["OWN001?"]


def test_a_broken_check_is_reported_and_the_others_are_loaded(tmp_path: Path) -> None:
    for name, text in {
        "a_syntax": "def f(:\n",
        "b_raises": "x = 1\nraise ValueError('no')\n",
        "c_nothing": "x = 1\n",
        "d_good": OWN_CHECK,
        "_helper": "raise ValueError\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    found, problems = checks.load_validators(tmp_path)
    assert [v.name for v in found] == ["todo"]
    assert [(d.code, Path(d.file or "").name, d.line) for d in problems] == [
        ("STR900", "a_syntax.py", 1),
        ("STR900", "b_raises.py", 2),
        ("STR900", "c_nothing.py", None),
    ]
    assert checks.load_validators(tmp_path / "nowhere") == ([], [])


def shown(diagnostic: Diagnostic) -> str:
    file = io.StringIO()
    Console(width=40, file=file, color_system=None).print(code_frame(diagnostic), soft_wrap=True)
    return file.getvalue()


def test_a_code_frame_marks_the_place_in_plain_text() -> None:
    (found,) = findings({"users": "a = 1\nfrom json import loads, dumpz\n" + sample("users")})
    assert shown(found) == (
        "error IMP002: json has no name 'dumpz'\n"
        "  at plugins/users/plugin.py:2:25\n"
        "  1 │ a = 1\n"
        "  2 │ from json import loads, dumpz\n"
        "    │                         ^^^^^\n"
        "  3 │ from devserver.sdk import BasePlugin\n"
        "  hint: did you mean 'dump'?\n"
    )


@pytest.mark.parametrize("text", ["x = '日本' $\n", "if x:\n\ty = $\n", "x = '\x1b[31m' $\n"])
def test_a_code_frame_counts_what_the_terminal_shows(text: str) -> None:
    (found,) = findings({"users": text})
    lines = shown(found).splitlines()
    (marked,) = (line for line in lines if "$" in line)
    (marks,) = (line for line in lines if "^" in line)
    assert cell_len(marked[: marked.index("$")]) == cell_len(marks[: marks.index("^")])
    assert "\x1b" not in "".join(lines)


def test_a_frame_without_a_place_is_readable() -> None:
    text = shown(Diagnostic(code="DEP006", severity=Severity.WARNING, message="x", file="a.json"))
    assert text == "warning DEP006: x\n  at a.json\n"


def test_the_document_counts_and_is_json() -> None:
    report = PIPELINE.run(world({"users": "import nonexistent_thing\n" + sample("users")}))
    document = json.loads(json.dumps(to_document(report)))
    assert (document["ok"], document["errors"], document["warnings"]) == (False, 1, 0)
    assert document["diagnostics"][0]["code"] == "IMP001"
