"""New plugins from templates: sound, live at once, whole or not at all."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from devserver.assembly import OfflineProject
from devserver.cli.create import create_plugin
from devserver.cli.main import main
from devserver.core.errors import DevServerError
from devserver.runtime.project import Project
from tests.integration.lab import Lab, plugin, wait_for

TEMPLATES = ["basic", "command", "routes", "service", "fastapi", "database"]
ANSWERS = {
    "basic": "/my_thing/",
    "routes": "/my_thing/items",
    "service": "/my_thing/",
    "database": "/my_thing/notes",
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_created_has_no_findings(tmp_path: Path, template: str) -> None:
    project = Project(tmp_path)
    assert create_plugin(project, "my-thing", template) == tmp_path / "plugins" / "my_thing"
    report = OfflineProject(project).validate()
    assert [d.message for d in report.diagnostics] == []


@pytest.mark.parametrize("template", sorted({*TEMPLATES} - {"fastapi"}))
def test_it_goes_live_on_the_running_server(lab: Lab, template: str) -> None:
    lab.start(hot_reload=True)
    create_plugin(lab.running.project, "my_thing", template)
    wait_for(lambda: lab.running.registry.view.find("my_thing"), "it is known")
    wait_for(lambda: lab.running.journal.outcomes("my_thing", 1), "its outcome")
    assert lab.running.journal.outcomes("my_thing", 1)[0].success
    if template in ANSWERS:
        assert lab.get(ANSWERS[template]).status_code == 200


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("admin", "reserved"),
        ("1st", "starts with a letter"),
        ("a/b", "starts with a letter"),
        ("..", "starts with a letter"),
        ("class", "keyword"),
        ("x" * 101, "100 characters"),
        ("ünicode", "starts with a letter"),
    ],
)
def test_names_that_cannot_be_used_are_refused(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(DevServerError, match=why):
        create_plugin(Project(tmp_path), name, "basic")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "there", ["my-thing/plugin.py", "my_thing.py", "My_Thing/plugin.py", "my_thing/x"]
)
def test_nothing_that_is_there_is_touched(tmp_path: Path, there: str) -> None:
    path = tmp_path / "plugins" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(DevServerError, match="is there already"):
        create_plugin(Project(tmp_path), "my-thing", "basic")
    assert path.read_text() == "mine"
    assert len(list(tmp_path.rglob("*.py"))) == there.endswith(".py")


def test_it_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Path.write_text

    def full(path: Path, text: str, **more: str) -> int:
        if path.name == "plugin.py":
            raise OSError(28, "No space left on device", str(path))
        return written(path, text, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        create_plugin(Project(tmp_path), "my_thing", "basic")
    assert list((tmp_path / "plugins").iterdir()) == []


def test_of_two_at_once_one_is_refused(tmp_path: Path) -> None:
    told: list[object] = []
    begin = threading.Barrier(2)

    def create(template: str) -> None:
        begin.wait()
        try:
            told.append(create_plugin(Project(tmp_path), "my_thing", template))
        except (DevServerError, OSError) as error:
            told.append(error)

    threads = [threading.Thread(target=create, args=(t,)) for t in ("basic", "database")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, Path) for one in told) == 1
    assert [p.name for p in (tmp_path / "plugins").iterdir()] == ["my_thing"]


def test_the_command_tells_what_was_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugins").mkdir()
    where = ("--project", str(tmp_path))
    code, out, _ = run(capsys, "dev", "plugin", "create", "my-thing", *where)
    assert code == 0
    assert "plugins/my_thing/plugin.py" in out
    assert "dev plugin test my_thing" in out
    code, _, err = run(capsys, "dev", "plugin", "create", "my-thing", *where)
    assert (code, "is there already" in err) == (1, True)
    code, out, _ = run(
        capsys, "dev", "plugin", "create", "notes", "--template", "database", "--json", *where
    )
    document = json.loads(out)
    assert (code, document["name"], document["url"]) == (0, "notes", None)
    assert "plugins/notes/migrations/0001_notes.sql" in document["files"]
    assert run(capsys, "dev", "plugin", "create", "x", "--template", "odd", *where)[0] == 2


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tests_of_what_is_created_pass(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], template: str
) -> None:
    create_plugin(Project(tmp_path), "my_thing", template)
    where = ("--project", str(tmp_path))
    code = main(["dev", "plugin", "test", "my-thing", "--json", *where])
    told = capfd.readouterr()
    document = json.loads(told.out)
    assert (code, document["failed"]) == (0, 0), told.err
    assert document["passed"] >= 1
    assert document["tests"] == ["plugins/my_thing/tests"]


def test_tests_that_fail_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = create_plugin(Project(tmp_path), "my_thing", "basic")
    plugin = folder / "plugin.py"
    plugin.write_text(plugin.read_text().replace("self.visits += 1", "pass"))
    where = ("--project", str(tmp_path))
    assert main(["dev", "plugin", "test", "my_thing", *where]) == 1
    assert "test_it_goes_on_counting_after_a_reload" in capfd.readouterr().out
    assert main(["dev", "plugin", "test", "nobody", *where]) == 3
    capfd.readouterr()


def test_a_test_file_that_does_not_compile_is_a_failure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = create_plugin(Project(tmp_path), "my_thing", "basic")
    (folder / "tests" / "test_my_thing.py").write_text("def test_x(:\n")
    where = ("--project", str(tmp_path))
    assert main(["dev", "plugin", "test", "my_thing", "--json", *where]) == 1
    document = json.loads(capfd.readouterr().out)
    assert (document["success"], document["failed"]) == (False, 1)


def test_the_watch_outlives_broken_tests_and_sees_those_outside_of_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "counter.py").write_text(plugin("counter"))
    file = tmp_path / "tests" / "test_counter.py"
    file.parent.mkdir()
    file.write_text("def test_x(:\n")
    runs: list[int] = []

    def run_pytest(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        runs.append(1)
        if len(runs) == 1:
            file.write_text("def test_x():\n    pass\n")
        else:
            signal.raise_signal(signal.SIGINT)
        return subprocess.CompletedProcess([], 2)

    monkeypatch.setattr("devserver.cli.testing.subprocess.run", run_pytest)
    where = ("--project", str(tmp_path))
    assert main(["dev", "plugin", "test", "counter", "--hot-reload", *where]) == 130
    assert len(runs) == 2


def test_a_plugin_without_tests_is_told_where_to_write_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = create_plugin(Project(tmp_path), "my_thing", "basic")
    shutil.rmtree(folder / "tests")
    assert main(["dev", "plugin", "test", "my_thing", "--project", str(tmp_path)]) == 1
    told = capfd.readouterr().err
    assert "my_thing has no tests" in told
    assert "plugins/my_thing/tests/test_my_thing.py" in told
