"""`sysctl plugins config`, with a server and without one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import REFUSED, ROLLED_BACK, FakeApi, outcome

from devserver.core.outcome import Result

Sysctl = Callable[..., tuple[int, str, str]]


def row(key: str, value: Any, **more: Any) -> dict[str, Any]:
    fields = {"layer": "project", "file": "config/plugins.yaml", "line": 2, "type": None}
    return {
        "key": key,
        "value": value,
        **fields,
        "required": False,
        "secret": False,
        "description": "",
        **more,
    }


ROWS = [
    row("size", 36, type="integer"),
    row("port", "80", type="string", layer="run time", file=None, line=None),
    row("api_key", "***", type="string", secret=True, line=None),
    row("sender", None, layer=None, file=None, line=None, required=True),
]
DOCUMENT = {"plugin": "users", "values": ROWS}
CONFIG = "/api/plugins/users/config"


@pytest.fixture
def server(api: FakeApi) -> FakeApi:
    api.answers[f"GET {CONFIG}"] = (200, DOCUMENT)
    api.answers[f"PUT {CONFIG}"] = (200, outcome().to_json())
    return api


def given(server: FakeApi) -> dict[str, Any]:
    (asked,) = [r for r in server.asked(CONFIG) if r.method == "PUT"]
    return dict(asked.body)


@pytest.mark.usefixtures("server")
def test_each_value_is_shown_with_its_place(sysctl: Sysctl) -> None:
    code, out, _ = sysctl("plugins", "config", "users")
    assert code == 0
    assert [line.split(None, 2) for line in out.splitlines()] == [
        ["KEY", "VALUE", "FROM"],
        ["size", "36", "config/plugins.yaml:2 (project)"],
        ["port", "80", "run time"],
        ["api_key", "***", "config/plugins.yaml (project)"],
        ["sender", "(required)"],
    ]
    assert json.loads(sysctl("plugins", "config", "users", "--json")[1]) == DOCUMENT


@pytest.mark.usefixtures("server")
def test_get_prints_the_value_alone(sysctl: Sysctl) -> None:
    assert sysctl("plugins", "config", "users", "get", "size") == (0, "36\n", "")
    code, _, err = sysctl("plugins", "config", "users", "get", "sise")
    assert code == 1
    assert "did you mean 'size'?" in err


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (("set", "size", "-5"), {"size": -5}),
        (("set", "port", "8080"), {"port": "8080"}),
        (("set", "size", "many", "other", "[1]"), {"size": "many", "other": [1]}),
        (("unset", "size", "port"), {"size": None, "port": None}),
    ],
)
def test_what_is_typed_is_what_its_declaration_says(
    server: FakeApi, sysctl: Sysctl, words: tuple[str, ...], changes: dict[str, Any]
) -> None:
    assert sysctl("plugins", "config", "users", *words)[0] == 0
    assert given(server) == changes


def test_a_value_that_is_not_on_the_command_line(
    server: FakeApi, sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    assert sysctl("plugins", "config", "users", "set", "api_key")[0] == 0
    assert given(server) == {"api_key": "hunter2"}


@pytest.mark.parametrize(("answer", "status", "code"), [(REFUSED, 422, 5), (ROLLED_BACK, 409, 6)])
def test_what_is_refused(
    server: FakeApi, sysctl: Sysctl, answer: Any, status: int, code: int
) -> None:
    server.answers[f"PUT {CONFIG}"] = (status, answer.to_json())
    assert sysctl("plugins", "config", "users", "set", "size", "1")[0] == code


def test_nothing_to_do_is_said(server: FakeApi, sysctl: Sysctl) -> None:
    same = outcome(Result.UNCHANGED, message="Plugin users has that configuration already")
    server.answers[f"PUT {CONFIG}"] = (200, same.to_json())
    code, out, _ = sysctl("plugins", "config", "users", "set", "size", "36")
    assert (code, out) == (0, "Plugin users has that configuration already\n")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("words", [("set", "a", "1", "b"), ("unset",), ("get",), ("gte", "size")])
def test_wrong_use(sysctl: Sysctl, words: tuple[str, ...]) -> None:
    assert sysctl("plugins", "config", "users", *words)[0] == 2


# -- without a server -----------------------------------------------------------------------------

PLUGIN = """
from devserver.sdk import BasePlugin

class Users(BasePlugin):
    name = "users"
    version = "1.0"
"""
OPTIONS = {
    "size": {"type": "integer", "default": 1, "max": 9},
    "key": {"secret": True, "required": True},
}


@pytest.fixture
def offline(project: Path) -> Path:
    folder = project / "plugins" / "users"
    folder.mkdir()
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "manifest.json").write_text(json.dumps({"configuration": OPTIONS}))
    (project / "config").mkdir()
    (project / "config" / "plugins.yaml").write_text("users:\n  size: 3\n")
    return project


def values(sysctl: Sysctl) -> dict[str, Any]:
    document = json.loads(sysctl("plugins", "config", "users", "--json")[1])
    return {r["key"]: (r["value"], r["layer"]) for r in document["values"]}


def test_files_and_what_was_kept_are_shown(offline: Path, sysctl: Sysctl) -> None:
    assert values(sysctl) == {"size": (3, "project"), "key": (None, None)}
    assert not (offline / "instance").exists()
    code, out, err = sysctl("plugins", "config", "users", "set", "size", "5", "key", "hunter2")
    assert (code, out) == (0, "users: the configuration of key, size is kept\n")
    assert "no dev server is running" in err
    assert values(sysctl) == {"size": (5, "run time"), "key": ("***", "run time")}
    code, out, _ = sysctl("plugins", "config", "users", "unset", "size")
    assert (code, out) == (0, "users: the configuration of size is taken back\n")
    assert values(sysctl) == {"size": (3, "project"), "key": ("***", "run time")}


@pytest.mark.usefixtures("offline")
def test_what_does_not_fit_is_refused(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "config", "users", "set", "size", "10", "key", "hunter2")
    assert (code, out) == (5, "")
    assert "10 is above the maximum of 9" in err
    assert "hunter2" not in err
    assert values(sysctl)["key"] == (None, None)
    assert sysctl("plugins", "config", "nobody")[0] == 3
