"""`sysctl plugins debug` and `sysctl dev plugin debug`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import ERROR, ROLLED_BACK, FakeApi

Sysctl = Callable[..., tuple[int, str, str]]
USERS = """
import threading
from devserver.sdk import BasePlugin

PERSISTENT = ("cache",)
cache = {}

class Users(BasePlugin):
    name = "users"
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.count = 0
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self._private = 1

    def get_persistent_state(self):
        return self.count

    def shutdown(self):
        self.stop.set()
"""
LIVE: dict[str, Any] = {
    "name": "users", "status": "active", "reason": "", "generation": 3, "pending": False,
    "queued": 0, "diagnostics": [], "live_generations": [3], "leaks": [], "held_for": 0.0,
    "work": [], "threads": [], "tasks": [], "locks": [], "state": [], "state_error": None,
}  # fmt: skip
GRAPH = {"nodes": [{"name": "users", "status": "active"}], "edges": []}


@pytest.fixture
def users(project: Path) -> Path:
    """A plugin on disk."""
    path = project / "plugins" / "users" / "plugin.py"
    path.parent.mkdir()
    path.write_text(USERS)
    return path


def wrong(out: str) -> list[tuple[str, str]]:
    """Check and level of what is not ok; that has a next step."""
    found = [c for c in json.loads(out)["checks"] if c["level"] != "ok"]
    assert all(c["hint"] for c in found)
    return [(c["check"], c["level"]) for c in found]


def live(api: FakeApi, **changes: Any) -> None:
    api.answers["GET /api/plugins/users/debug"] = (200, LIVE | changes)
    api.answers["GET /api/history"] = (200, [])
    api.answers["GET /api/graph"] = (200, GRAPH)


def test_without_a_server_the_files_tell_what_becomes_of_state(users: Path, sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "debug", "users", "--json")
    document = json.loads(out)
    assert (code, err, document["server"], document["running"]) == (0, "", None, None)
    assert {row["name"]: row["fate"] for row in document["attributes"]} == {
        "count": "kept or merged",
        "lock": "passed",
        "stop": "merged",
        "_private": "anew",
        "plugin:cache": "kept or merged",
    }
    places = {m["name"]: m["place"] for m in document["methods"] if m["place"]}
    assert places == {
        "get_persistent_state": "plugins/users/plugin.py:19",
        "shutdown": "plugins/users/plugin.py:22",
    }
    assert wrong(out) == [("methods", "warning")]  # nobody takes what is given


def test_the_plugin_is_not_run(users: Path, sysctl: Sysctl) -> None:
    users.write_text(f"open({str(users.parent / 'ran')!r}, 'w')\n{USERS}")
    assert sysctl("plugins", "debug", "users")[0] == 0
    assert not (users.parent / "ran").exists()


def test_what_validation_finds_is_an_error_with_its_place(users: Path, sysctl: Sysctl) -> None:
    users.write_text(USERS.replace("def shutdown(self)", "def shutdown(self, hard)"))
    code, out, _ = sysctl("plugins", "debug", "users")
    assert code == 1
    assert "plugins/users/plugin.py:22:9: " in out
    assert "→ write `def shutdown(self)`" in out
    code, out, _ = sysctl("plugins", "debug", "users", "--check-state-methods", "--json")
    assert wrong(out) == [("files", "error"), ("methods", "error"), ("methods", "warning")]


def test_a_file_that_makes_no_plugin_is_told_once(users: Path, sysctl: Sysctl) -> None:
    users.write_text("x = 1\n")
    assert wrong(sysctl("plugins", "debug", "users", "--json")[1]) == [("files", "error")]


def test_files_whose_saves_go_unnoticed_are_named(
    users: Path, project: Path, sysctl: Sysctl
) -> None:
    (project / "config").mkdir()
    (project / "config" / "hot-loading.yaml").write_text(
        "hot_loading: {watch: {patterns: ['config/*.yaml']}}\n"
    )
    out = sysctl("plugins", "debug", "users", "--check-leaks", "--json")[1]
    assert wrong(out) == [("files", "warning")]


def test_a_missing_dependency_and_a_circle_are_errors(
    users: Path, api: FakeApi, sysctl: Sysctl
) -> None:
    live(api)
    nodes = [{"name": "users", "status": "active"}, {"name": "base", "status": "failed"}]
    pairs = (("users", "base"), ("base", "users"), ("users", "gone"))
    edges = [{"from": a, "to": b, "kind": "imported"} for a, b in pairs]
    api.answers["GET /api/graph"] = (200, {"nodes": nodes, "edges": edges})
    code, out, _ = sysctl("plugins", "debug", "users", "--check-dependencies", "--json")
    assert (code, wrong(out)) == (1, [("dependencies", "error")] * 3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "failed", "reason": "it raised", "pending": True}, ("plugin", "error")),
        ({"status": "disabled", "reason": "by the operator"}, ("plugin", "warning")),
        ({"pending": True}, ("plugin", "warning")),
        ({"queued": 2}, ("plugin", "warning")),
        ({"diagnostics": [ERROR.to_json()]}, ("plugin", "error")),
        ({"held_for": 2.5}, ("work", "warning")),
        (
            {"work": [{"label": "GET /users/slow", "kind": "work", "seconds": 9.0,
                       "where": "plugins/users/plugin.py:9", "stack": "  frame"}]},
            ("work", "warning"),
        ),
        (
            {"threads": [{"name": "t", "where": "x:1", "current": False, "stack": ""}]},
            ("threads", "warning"),
        ),
        (
            {"tasks": [{"name": "t", "status": "running", "where": "x:1", "owned": False,
                        "stack": ""}]},
            ("tasks", "warning"),
        ),
        ({"locks": [{"name": "self.lock", "type": "lock", "locked": True}]}, ("locks", "warning")),
        ({"state_error": "'snapshot' of 'users' hung"}, ("state", "error")),
        (
            {"leaks": [{"generation": 2, "chain": "x -> y", "hint": "let go"}]},
            ("leaks", "warning"),
        ),
    ],
)  # fmt: skip
def test_what_the_server_says_is_told_with_the_next_step(
    users: Path,
    api: FakeApi,
    sysctl: Sysctl,
    changes: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    users.write_text(USERS.replace("def get_persistent_state", "def other"))
    live(api, **changes)
    code, out, _ = sysctl("plugins", "debug", "users", "--json")
    assert (code, wrong(out)) == (1 if expected[1] == "error" else 0, [expected])


def test_why_what_is_on_disk_does_not_run_is_told(
    users: Path, api: FakeApi, sysctl: Sysctl
) -> None:
    why = "g2 serves; what is on disk is refused: 'initialize' hung"
    live(api, pending=True, reason=why)
    assert f"! plugin        {why}" in sysctl("plugins", "debug", "users")[1]


def test_a_running_stream_is_no_trouble(users: Path, api: FakeApi, sysctl: Sysctl) -> None:
    stream = {"label": "GET /x", "kind": "stream", "seconds": 99.0, "where": "x:1", "stack": ""}
    live(api, work=[stream])
    assert wrong(sysctl("plugins", "debug", "users", "--check-locks", "--json")[1]) == []


def test_only_check_leaks_has_garbage_collected(users: Path, api: FakeApi, sysctl: Sysctl) -> None:
    live(api)
    sysctl("plugins", "debug", "users", "--check-locks")
    sysctl("plugins", "debug", "users", "--check-leaks")
    asked = api.asked("/api/plugins/users/debug")
    assert [request.query for request in asked] == [{}, {"look": "true"}]


def test_what_the_last_reload_lost_is_a_warning(users: Path, api: FakeApi, sysctl: Sysctl) -> None:
    users.write_text(USERS.replace("def get_persistent_state", "def other"))
    live(api)
    lost = ROLLED_BACK.to_json() | {"state": {"kept": [], "merged": [], "lost": ["cursor"]}}
    api.answers["GET /api/history"] = (200, [lost])
    out = sysctl("plugins", "debug", "users", "--check-state-methods", "--json")[1]
    assert wrong(out) == [("state", "warning")]


def test_verbose_shows_stacks_and_outcomes(users: Path, api: FakeApi, sysctl: Sysctl) -> None:
    thread = {"name": "t", "where": "x:1", "current": True, "stack": "  frame of t\x1b[2J"}
    live(api, threads=[thread])
    api.answers["GET /api/history"] = (200, [ROLLED_BACK.to_json()])
    assert "frame of t" not in sysctl("dev", "plugin", "debug", "users")[1]
    out = sysctl("dev", "plugin", "debug", "users", "--verbose")[1]
    assert "  frame of t\\x1b[2J" in out
    assert "'initialize' of 'orders' returned False" in out


def test_a_plugin_that_is_not_there_exits_with_3(users: Path, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "debug", "nobody")[0] == 3
    assert sysctl("dev", "plugin", "debug", "nobody", "--json")[0] == 3


def test_one_that_only_the_server_or_only_the_disk_knows_is_looked_at(
    users: Path, api: FakeApi, sysctl: Sysctl
) -> None:
    api.answers["GET /api/graph"] = (200, {"nodes": [], "edges": []})
    code, out, _ = sysctl("plugins", "debug", "users", "--check-locks", "--json")
    assert (code, wrong(out)) == (0, [("plugin", "warning")])  # saved a moment ago
    live(api)
    users.unlink()
    code, out, _ = sysctl("plugins", "debug", "users", "--json")
    assert (code, wrong(out)) == (0, [("files", "warning")])  # served from elsewhere


def test_one_that_cannot_be_read_is_an_error(users: Path, sysctl: Sysctl) -> None:
    users.unlink()
    users.symlink_to(users)
    code, out, _ = sysctl("plugins", "debug", "users", "--json")
    assert code == 1
    assert ("files", "error") in wrong(out)
