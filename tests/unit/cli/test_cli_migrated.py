"""`sysctl database migrate` beside a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_fakes import ROLLED_BACK, FakeApi, outcome

Sysctl = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def users(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYSCTL_DATABASE_URL", raising=False)
    folder = project / "plugins" / "users" / "migrations"
    folder.mkdir(parents=True)
    (folder.parent / "plugin.py").write_text("")
    (folder / "0001_init.sql").write_text("CREATE TABLE items (id INT);")


def test_it_reloads_the_plugins_whose_tables_have_changed(sysctl: Sysctl, api: FakeApi) -> None:
    api.answers["POST /api/plugins/users/reload"] = (200, outcome().to_json())
    code, out, err = sysctl("database", "migrate")
    assert (code, err) == (0, "")
    assert "users: its tables have changed, so the server reloads it" in out
    assert len(api.asked("/api/plugins/users/reload")) == 1
    code, out, _ = sysctl("database", "migrate")
    assert (code, "reloads" in out) == (0, False), "nothing was to do"
    code, out, _ = sysctl("--json", "database", "migrate", "users", "--redo")
    assert (code, json.loads(out)["reloaded"]) == (0, [outcome().to_json()])
    assert len(api.asked("/api/plugins/users/reload")) == 2


def test_a_reload_that_fails_then_is_a_failure(sysctl: Sysctl, api: FakeApi) -> None:
    api.answers["POST /api/plugins/users/reload"] = (409, ROLLED_BACK.to_json())
    assert sysctl("database", "migrate")[0] == 6
    refusal = {"error": "plugin 'users' is disabled: by the operator", "hint": "enable it"}
    api.answers["POST /api/plugins/users/reload"] = (503, refusal)
    code, _, err = sysctl("database", "migrate", "users", "--redo")
    assert code == 1
    assert "users was not reloaded: plugin 'users' is disabled: by the operator" in err
