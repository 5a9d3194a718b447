"""`sysctl dev mode`, without a server and with one that answers what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import FakeApi

from devserver.core.settings import Settings

Sysctl = Callable[..., tuple[int, str, str]]
PATH = "/api/hot-reload/settings"


def write(project: Path, text: str) -> Path:
    file = project / "config" / "hot-loading.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def in_force(*, ok: bool = True, for_this_run: bool = False, **values: Any) -> dict[str, Any]:
    settings = Settings.model_validate(values).model_dump(mode="json")
    return {"ok": ok, "diagnostics": [], "for_this_run": for_this_run, "settings": settings}


def test_without_a_server_the_file_says_what_is_in_effect(sysctl: Sysctl, project: Path) -> None:
    write(project, "hot_loading:\n\n  development:\n    auto_install_deps: true\n")
    code, out, err = sysctl("dev", "mode")
    assert (code, err) == (0, "no dev server is running: this is what the next start uses\n")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["development", "mode", "is", "on", "(default)"]
    assert ["auto_install_deps", "yes", "config/hot-loading.yaml:4"] in lines
    assert ["debug_logging", "yes", "default"] in lines


def test_the_line_is_changed_and_the_rest_stays(sysctl: Sysctl, project: Path) -> None:
    file = write(project, "# mine\nhot_loading:\n  development_mode: true  # why\n")
    code, out, err = sysctl("dev", "mode", "--disable")
    assert (code, err) == (0, "")
    assert out == "development mode is off (config/hot-loading.yaml:3)\n"
    assert file.read_text() == "# mine\nhot_loading:\n  development_mode: false # why\n"
    code, out, _ = sysctl("dev", "mode", "--disable", "--json")
    document = json.loads(out)
    assert (document["changed"], document["development_mode"], document["server"]) == (
        False,
        False,
        None,
    )
    assert not any(feature["in_effect"] for feature in document["development"].values())


def test_what_is_the_default_already_is_not_written(sysctl: Sysctl, project: Path) -> None:
    assert sysctl("dev", "mode", "--enable")[1] == "development mode is on already (default)\n"
    assert not (project / "config").exists()


def test_a_running_server_is_asked_to_apply_it(api: FakeApi, sysctl: Sysctl, project: Path) -> None:
    api.answers[f"POST {PATH}"] = (200, in_force(development_mode=False))
    code, out, _ = sysctl("dev", "mode", "--disable")
    url = f"http://127.0.0.1:{api.port}/"
    assert (code, out) == (0, f"development mode is off at {url} (config/hot-loading.yaml:2)\n")
    assert [r.body for r in api.asked(PATH)] == [{}]


def test_a_server_tells_what_is_in_effect_whatever_the_file_says(
    api: FakeApi, sysctl: Sysctl, project: Path
) -> None:
    write(project, "hot_loading:\n  development_mode: false\n")
    api.answers[f"GET {PATH}"] = (200, in_force(for_this_run=True))
    document = json.loads(sysctl("dev", "mode", "--status", "--json")[1])
    assert document["development_mode"] is True
    assert document["from"].startswith("said for this run")
    api.answers[f"GET {PATH}"] = (200, in_force(ok=False))
    write(project, "hot_loading: nonsense\n")
    code, out, _ = sysctl("dev", "mode", "--status")
    assert code == 0
    assert out.splitlines()[0].endswith("(from before config/hot-loading.yaml was refused)")


@pytest.mark.parametrize("words", [["--status"], ["--enable"], []])
def test_an_invalid_file_is_told_with_its_place(
    sysctl: Sysctl, project: Path, words: list[str]
) -> None:
    file = write(project, "hot_loading:\n  enabled: maybe\n")
    code, out, err = sysctl("dev", "mode", *words)
    assert (code, out) == (1, "")
    assert "config/hot-loading.yaml:2:12" in err
    assert "Traceback" not in err
    assert file.read_text() == "hot_loading:\n  enabled: maybe\n"


def test_the_deeds_exclude_each_other(sysctl: Sysctl) -> None:
    code, _, err = sysctl("dev", "mode", "--enable", "--disable")
    assert code == 2
    assert "--enable, --disable and --status exclude each other" in err
