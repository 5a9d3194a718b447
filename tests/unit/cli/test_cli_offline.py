"""What the command line tells of a project whose server does not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_fakes import write_server_file

Sysctl = Callable[..., tuple[int, str, str]]

USERS = """
from devserver.sdk import BasePlugin

class Users(BasePlugin):
    name = "users"
    version = "1.2.0"
"""
ORDERS = """
from devserver.sdk import BasePlugin
from plugins.users.plugin import Users

class Orders(BasePlugin):
    name = "orders"
    version = "1.0.0"
    def known(self):
        return Users
"""
NOTE = "no dev server is running: this is what the files say\n"


@pytest.fixture(autouse=True)
def _plugins(project: Path) -> None:
    for name, text in (("users", USERS), ("orders", ORDERS), ("my-notes", USERS)):
        (project / "plugins" / name).mkdir()
        (project / "plugins" / name / "plugin.py").write_text(text)
    (project / "plugins" / "users" / "manifest.json").write_text(
        json.dumps({"name": "users", "version": "1.2.0", "description": "Who is who"})
    )


def test_list_names_what_is_on_disk(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "list")
    assert (code, err) == (0, NOTE)
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == ["PLUGIN", "my-notes", "orders", "users"]
    assert rows[3][:3] == ["users", "1.2.0", "registered"]
    assert "Who is who" in out


def test_a_file_that_a_dead_server_left_changes_nothing(sysctl: Sysctl, project: Path) -> None:
    write_server_file(project, port=1)
    assert sysctl("plugins", "list")[0] == 0


def test_list_as_json_has_the_shape_of_the_api(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "list", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert [row["name"] for row in rows] == ["my-notes", "orders", "users"]
    assert rows[1]["dependencies"] == ["users"]
    assert rows[2]["dependents"] == ["orders"]
    assert {row["status"] for row in rows} == {"registered"}


def test_nothing_is_loaded_without_a_server(sysctl: Sysctl) -> None:
    assert sysctl("plugins", "list", "--loaded") == (0, "no plugins\n", NOTE)
    assert json.loads(sysctl("plugins", "list", "--loaded", "--json")[1]) == []


def test_info_tells_what_files_tell(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "info", "users")
    assert (code, err) == (0, NOTE)
    assert out.splitlines()[0] == "users 1.2.0  registered"
    assert "needed by  orders" in " ".join(out.split()).replace("needed by ", "needed by  ")
    document = json.loads(sysctl("plugins", "info", "orders", "--json")[1])
    assert document["dependencies"] == [{"name": "users", "kind": "imported"}]


@pytest.mark.parametrize("name", ["my-notes", "my_notes"])
def test_both_spellings_of_a_name_are_one_plugin(sysctl: Sysctl, name: str) -> None:
    assert json.loads(sysctl("plugins", "info", name, "--json")[1])["name"] == "my-notes"


def test_deps_are_known_from_the_source(sysctl: Sysctl) -> None:
    code, out, _ = sysctl("plugins", "deps", "users")
    assert code == 0
    assert out.splitlines() == [
        "users needs no other plugin",
        "users is needed by",
        "└── orders  imported",
    ]


@pytest.mark.parametrize("command", ["info", "deps"])
def test_an_unknown_plugin_exits_with_3(sysctl: Sysctl, command: str) -> None:
    code, out, err = sysctl("plugins", command, "nobody")
    assert (code, out) == (3, "")
    assert "error: no plugin named 'nobody'\nhint: " in err


def test_looking_runs_no_plugin_code(sysctl: Sysctl, project: Path) -> None:
    (project / "plugins" / "users" / "plugin.py").write_text(
        USERS + f"\nopen({str(project / 'ran')!r}, 'w')\n"
    )
    for words in (["list"], ["info", "users"], ["deps", "users"]):
        assert sysctl("plugins", *words)[0] == 0
    assert not (project / "ran").exists()
