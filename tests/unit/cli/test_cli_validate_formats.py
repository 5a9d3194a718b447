"""`dev plugin validate` in its formats, with --fix, and what --watch checks again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devserver.cli.validate import Validation
from devserver.core.changes import ChangeBatch
from devserver.runtime.project import Project

Sysctl = Callable[..., tuple[int, str, str]]
PLUGIN = """\
from devserver.sdk import BasePlugin


class P(BasePlugin):
    name = "{name}"
    version = "1.0.0"
"""
BROKEN = "def broken(:\n    pass\n"


@pytest.fixture
def write(project: Path) -> Callable[[str, str], Path]:
    def write(name: str, before: str = "") -> Path:
        path = project / "plugins" / name / "plugin.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(before + PLUGIN.replace("{name}", name))
        return path

    return write


@pytest.fixture(autouse=True)
def _plugins(write: Callable[..., Path]) -> None:
    write("users")
    write("orders", "from plugins.users.plugin import P as Users\nU = Users\n")
    write("alone")


def test_sarif_is_one_log_on_stdout(sysctl: Sysctl, write: Callable[..., Path]) -> None:
    write("users", BROKEN)
    code, out, err = sysctl("dev", "plugin", "validate", "--all", "--format", "sarif")
    assert (code, err) == (5, "")
    (run,) = json.loads(out)["runs"]
    assert run["results"][0]["ruleId"] == "SYN002"
    assert run["invocations"][0]["exitCode"] == 5


def test_github_commands_alone_are_on_stdout(
    sysctl: Sysctl,
    write: Callable[..., Path],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("users", BROKEN)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.parent))
    code, out, err = sysctl("dev", "plugin", "validate", "users", "--format", "github")
    assert (code, err) == (5, "")
    assert out.startswith(f"::error file={project.name}/plugins/users/plugin.py,line=1,endLine=1,")
    monkeypatch.delenv("GITHUB_WORKSPACE")
    write("users")
    assert sysctl("dev", "plugin", "validate", "users", "--format", "github") == (0, "", "")


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--format", "sarif"],
        ["--watch", "--format", "sarif"],
        ["--watch", "--fix"],
        ["--diff"],
    ],
)
def test_what_contradicts_itself_is_a_usage_error(sysctl: Sysctl, words: list[str]) -> None:
    code, _, err = sysctl("dev", "plugin", "validate", "users", *words)
    assert code == 2
    assert "error: " in err


@pytest.mark.parametrize("form", ["rich", "json", "github", "sarif"])
def test_an_unknown_plugin_exits_with_3_in_every_format(sysctl: Sysctl, form: str) -> None:
    assert sysctl("dev", "plugin", "validate", "nobody", "--format", form)[0] == 3
    if form != "sarif":
        assert sysctl("dev", "plugin", "validate", "nobody", "--fix", "--format", form)[0] == 3


def test_fix_writes_and_tells_and_diff_only_shows(
    sysctl: Sysctl, write: Callable[..., Path]
) -> None:
    path = write("users", "import os\n")
    path.chmod(0o640)
    before = path.read_text()
    code, out, _ = sysctl("dev", "plugin", "validate", "users", "--fix", "--diff")
    assert code == 0
    assert "-import os\n" in out
    assert "would fix IMP020 plugins/users/plugin.py:1:8" in out
    assert path.read_text() == before
    code, out, _ = sysctl("dev", "plugin", "validate", "users", "--fix")
    assert code == 0
    assert out.startswith("fixed IMP020 plugins/users/plugin.py:1:8: removed the import\n")
    assert path.read_text() == before.replace("import os\n", "")
    assert path.stat().st_mode & 0o777 == 0o640
    assert sysctl("dev", "plugin", "validate", "users", "--fix")[1].startswith("✓ users: valid")


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_words_about_fixes_do_not_disturb_documents(
    sysctl: Sysctl, write: Callable[..., Path], form: str
) -> None:
    write("users", "import os\n")
    _, out, err = sysctl("dev", "plugin", "validate", "users", "--fix", "--format", form)
    if form == "github":
        assert out == ""
    else:
        json.loads(out)
    if form == "json":
        assert [f["code"] for f in json.loads(out)["fixes"]] == ["IMP020"]
    else:
        assert "fixed IMP020" in err


def test_the_summary_says_that_something_can_be_fixed(
    sysctl: Sysctl, write: Callable[..., Path]
) -> None:
    write("users", "import os\n")
    assert "--fix may correct" in sysctl("dev", "plugin", "validate", "users")[1]


def test_codes_are_listed_and_explained(sysctl: Sysctl) -> None:
    assert "IMP001" in sysctl("dev", "plugin", "codes")[1]
    assert "for example" in sysctl("dev", "plugin", "codes", "imp001")[1]
    assert json.loads(sysctl("dev", "plugin", "codes", "--json")[1])[0]["code"] == "SYN001"
    code, _, err = sysctl("dev", "plugin", "codes", "IPM001")
    assert code == 2
    assert "did you mean 'IMP001'" in err


def test_severities_with_an_unknown_code_are_an_error(sysctl: Sysctl, project: Path) -> None:
    (project / "config").mkdir(exist_ok=True)
    file = project / "config" / "main.yaml"
    file.write_text("validation:\n  severity:\n    IPM001: off\n")
    code, out, _ = sysctl("dev", "plugin", "validate", "--all")
    assert code == 5
    assert "config/main.yaml:3:5" in out
    assert "did you mean 'IMP001'?" in out


@pytest.fixture
def counted(project: Path) -> Callable[[], list[str]]:
    """The plugins that a check of the project's own has seen since it was last asked."""
    log = project / "seen.txt"
    log.write_text("")
    (project / "validators").mkdir()
    (project / "validators" / "counting.py").write_text(
        "class Counting:\n"
        "    name = 'counting'\n"
        "    def check(self, candidate, world):\n"
        f"        with open({os.fspath(log)!r}, 'a') as file:\n"
        "            file.write(candidate.name + '\\n')\n"
        "        return ()\n"
        "validator = Counting()\n"
    )

    def seen() -> list[str]:
        found = sorted(log.read_text().split())
        log.write_text("")
        return found

    return seen


def batch(*paths: Path) -> ChangeBatch:
    return ChangeBatch(paths=frozenset(paths), first_seen=0)


def test_watching_checks_only_what_changed_and_what_depends_on_it(
    project: Path,
    write: Callable[..., Path],
    counted: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from devserver.reload.catalog import Catalog

    read: list[str] = []
    real = Catalog.read

    def noted(self: Catalog, key: str) -> Any:
        read.append(key)
        return real(self, key)

    monkeypatch.setattr(Catalog, "read", noted)
    validation = Validation(Project(project), scope=None)
    validation.first_run()
    assert counted() == ["alone", "orders", "users"]
    read.clear()
    validation.run_again(batch(write("alone", "x = 1\n")))
    assert (counted(), read) == (["alone"], ["alone"])
    read.clear()
    validation.run_again(batch(write("users", "x = 1\n")))
    assert (counted(), read) == (["orders", "users"], ["users"])
    assert "valid" in capsys.readouterr().out


def test_an_edited_check_applies_at_the_next_run(
    project: Path,
    counted: Callable[[], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    validation = Validation(Project(project), scope=None)
    validation.first_run()
    path = project / "validators" / "counting.py"
    path.write_text("def f(:\n")
    validation.run_again(batch(path))
    assert "the check 'counting' has a syntax error" in capsys.readouterr().out
    path.write_text(
        "from devserver.validation.findings import error\n"
        "class No:\n"
        "    name = 'no'\n"
        "    def check(self, candidate, world):\n"
        "        yield error(candidate, 'OWN001', 'no')\n"
        "validator = No()\n"
    )
    validation.run_again(batch(path))
    out = capsys.readouterr().out
    assert out.count("error OWN001: no") == 3
    assert "syntax error" not in out
