"""Enable and disable while no server runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Sysctl = Callable[..., tuple[int, str, str]]
PLUGIN = """
from devserver.sdk import BasePlugin
{top}

class Entry(BasePlugin):
    name = "{name}"
    version = "1.0"
"""


@pytest.fixture(autouse=True)
def _plugins(project: Path) -> None:
    for name, needs in (("users", ""), ("my-orders", "users"), ("clock", "")):
        folder = project / "plugins" / name
        folder.mkdir()
        top = f"import plugins.{needs}.plugin" if needs else ""
        (folder / "plugin.py").write_text(PLUGIN.format(name=name, top=top))


def states(sysctl: Sysctl) -> dict[str, str]:
    return {p["name"]: p["status"] for p in json.loads(sysctl("plugins", "list", "--json")[1])}


def test_the_word_is_kept_and_shown(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "disable", "clock")
    assert (code, out) == (0, "Plugin clock disabled successfully, routes affected: 0\n")
    assert err == "no dev server is running: the next start keeps to it\n"
    expected = {"clock": "disabled", "my-orders": "registered", "users": "registered"}
    assert states(sysctl) == expected
    info = json.loads(sysctl("plugins", "info", "clock", "--json")[1])
    assert (info["status"], info["reason"]) == ("disabled", "disabled by the operator")
    assert sysctl("plugins", "enable", "clock")[0] == 0
    assert states(sysctl)["clock"] == "registered"


def test_one_that_is_needed_is_refused_and_forced_along(sysctl: Sysctl) -> None:
    code, _, err = sysctl("plugins", "disable", "users")
    assert code == 1
    assert "plugin 'users' was not disabled: my-orders needs it" in err
    assert "--force" in err
    assert set(states(sysctl).values()) == {"registered"}
    code, out, _ = sysctl("plugins", "disable", "users", "--force", "--json")
    assert code == 0
    assert json.loads(out)["plugins"] == ["users", "my-orders"]
    assert states(sysctl) == {"clock": "registered", "my-orders": "disabled", "users": "disabled"}


def test_what_is_out_of_service_already_stands_in_nobodys_way(sysctl: Sysctl) -> None:
    assert sysctl("plugins", "disable", "my_orders")[0] == 0
    assert sysctl("plugins", "disable", "users")[0] == 0


def test_unknown_and_core_plugins_are_refused(sysctl: Sysctl, project: Path) -> None:
    assert sysctl("plugins", "disable", "nobody")[0] == 3
    manifest = project / "plugins" / "clock" / "manifest.json"
    manifest.write_text(json.dumps({"name": "clock", "is_core": True}))
    code, _, err = sysctl("plugins", "disable", "clock", "--force")
    assert code == 1
    assert "'clock' is a core plugin" in err


def test_a_database_that_cannot_be_used_is_told(
    sysctl: Sysctl, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/none")
    code, _, err = sysctl("plugins", "disable", "clock")
    assert code == 1
    assert "cannot be reached" in err
    assert "secret" not in err
    code, out, err = sysctl("plugins", "list")
    assert code == 0
    assert "clock" in out
    assert "note: the database" in err


def test_looking_makes_no_database(sysctl: Sysctl, project: Path) -> None:
    sysctl("plugins", "list")
    assert not (project / "instance").exists()


def test_routes_cannot_be_left_as_they_are_without_a_server(sysctl: Sysctl) -> None:
    code, _, err = sysctl("plugins", "enable", "clock", "--no-routes")
    assert code == 4
    assert "or leave out --no-routes" in err
