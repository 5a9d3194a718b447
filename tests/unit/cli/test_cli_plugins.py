from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import BREAKS, COMPANY, ERROR, REFUSED, RELOAD_STATUS, ROLLED_BACK, FakeApi, outcome

Sysctl = Callable[..., tuple[int, str, str]]

ROW = {
    "name": "users",
    "version": "1.2.0",
    "status": "active",
    "reason": "active",
    "generation": 8,
    "pending": True,
    "last_loaded": "2025-06-01T12:00:00+00:00",
    "description": "Who is who",
    "enabled": True,
    "health": {"status": "healthy", "healthy": True, "message": "fine"},
    "reload_count": 7,
    "routes_count": 3,
    "dependencies": [],
    "dependents": ["orders"],
}
FAILED = ROW | {"name": "orders", "status": "failed", "pending": False, "routes_count": 0}
GRAPH = {
    "nodes": [
        {"name": "billing", "status": "active"},
        {"name": "orders", "status": "active"},
        {"name": "users", "status": "active"},
        {"name": "asleep", "status": "disabled"},
    ],
    "edges": [
        {"from": "orders", "to": "users", "kind": "declared+imported"},
        {"from": "billing", "to": "orders", "kind": "imported"},
    ],
}
INFO = ROW | {
    "author": "Ada",
    "dependencies": [{"name": "base", "kind": "declared"}],
    "routes": {
        "count": 1,
        "details": [
            {"path": "/<int:key>", "methods": ["GET", "PUT"], "name": "one", "summary": "One"}
        ],
    },
    "config": {"limit": 3, "password": "***"},
    "permissions": [{"key": "users.read", "description": ""}],
    "services": ["directory"],
    "events": {"publishes": ["user.added"], "subscribes": ["order.*"]},
    "commands": [{"name": "add", "help": "Add one"}],
    "metrics": {"requests": 12},
    "diagnostics": [],
}


@pytest.mark.parametrize("group", ["plugins", "plugin"])
def test_list_shows_every_plugin(api: FakeApi, sysctl: Sysctl, group: str) -> None:
    api.answers["GET /api/plugins"] = (200, [ROW, FAILED])
    code, out, err = sysctl(group, "list")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == [
        "PLUGIN", "VERSION", "STATUS", "HEALTH", "ROUTES", "RELOADS", "LOADED", "DESCRIPTION",
    ]  # fmt: skip
    assert "users   1.2.0    active, pending  healthy  3       7" in lines[1]
    assert lines[1].endswith("Who is who")
    assert "failed" in lines[2]


def test_list_loaded_leaves_out_what_does_not_serve(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/plugins"] = (200, [ROW, FAILED])
    code, out, _ = sysctl("plugins", "list", "--loaded", "--json")
    assert code == 0
    assert json.loads(out) == [ROW]


@pytest.mark.parametrize("place", range(3))
def test_json_is_accepted_at_every_level(api: FakeApi, sysctl: Sysctl, place: int) -> None:
    api.answers["GET /api/plugins"] = (200, [ROW])
    words = ["plugins", "list"]
    words.insert(place, "--json")
    code, out, _ = sysctl(*words)
    assert (code, json.loads(out)) == (0, [ROW])


def test_project_names_the_project_from_anywhere(
    api: FakeApi, sysctl: Sysctl, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["GET /api/plugins"] = (200, [ROW])
    monkeypatch.chdir("/")
    for words in (
        ("--project", str(project), "plugins", "list"),
        ("plugins", "list", f"--project={project}"),
    ):
        code, out, _ = sysctl(*words)
        assert (code, "users" in out) == (0, True)


def test_status_is_of_the_server_and_of_one_plugin(api: FakeApi, sysctl: Sysctl) -> None:
    summary = {
        "total": 2,
        "by_status": {"active": 1, "failed": 1},
        "routes": 3,
        "requests": 9,
        "uptime": 75.2,
    }
    api.answers["GET /api/plugins/status/summary"] = (200, summary)
    api.answers["GET /api/plugins/users/status"] = (200, ROW | {"commands": ["add"]})
    code, out, _ = sysctl("plugins", "status")
    assert code == 0
    assert out.splitlines()[0] == "operational"
    assert "2 plugins (1 active, 1 failed)" in out
    assert "1 min 15 s" in out
    document = json.loads(sysctl("plugins", "status", "--json")[1])
    assert document == {
        **summary,
        "url": f"http://127.0.0.1:{api.port}/",
        "hot_reload": RELOAD_STATUS,
    }
    _, out, _ = sysctl("plugins", "status", "users")
    assert out.splitlines()[0] == "users 1.2.0  active, pending  g8"
    assert "healthy: fine" in out


def test_info_shows_everything(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/plugins/users/info"] = (200, INFO | {"diagnostics": []})
    code, out, _ = sysctl("plugins", "info", "users")
    assert code == 0
    for shown in (
        "users 1.2.0  active, pending  g8", "Who is who", "base (declared)", "needed by    orders",
        "limit=3, password=***", "users.read", "directory", "user.added", "order.*",
        "/users/<int:key>", "GET PUT", "Add one", "requests=12",
    ):  # fmt: skip
        assert shown in out
    assert json.loads(sysctl("plugins", "info", "users", "--json")[1]) == INFO


def test_deps_shows_both_directions(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/graph"] = (200, GRAPH)
    code, out, _ = sysctl("plugins", "deps", "orders")
    assert code == 0
    assert out.splitlines() == [
        "orders needs",
        "└── users  declared+imported",
        "orders is needed by",
        "└── billing  imported",
    ]
    assert json.loads(sysctl("plugins", "deps", "users", "--json")[1]) == {
        "name": "users",
        "dependencies": [],
        "dependents": [{"name": "orders", "kind": "declared+imported"}],
        "all_dependencies": [],
        "all_dependents": ["billing", "orders"],
    }
    assert sysctl("plugins", "deps", "nobody")[0] == 3


def test_deps_of_a_circle_ends(api: FakeApi, sysctl: Sysctl) -> None:
    back = {"from": "users", "to": "billing", "kind": "declared"}
    api.answers["GET /api/graph"] = (200, GRAPH | {"edges": [*GRAPH["edges"], back]})
    code, out, _ = sysctl("plugins", "deps", "users")
    assert code == 0
    assert "users  declared+imported, circular" in out


@pytest.mark.parametrize(
    ("status", "sent", "code"), [(200, COMPANY, 0), (422, REFUSED, 5), (409, ROLLED_BACK, 6)]
)
def test_reload_tells_the_outcome_and_exits_by_it(
    api: FakeApi, sysctl: Sysctl, status: int, sent: Any, code: int
) -> None:
    api.answers["POST /api/plugins/users/reload"] = (status, sent.to_json())
    found, out, err = sysctl("plugins", "reload", "users", "--json")
    assert (found, err) == (code, "")
    assert json.loads(out) == sent.to_json()
    found, out, _ = sysctl("plugins", "reload", "users")
    assert found == code
    assert out.startswith("✓ users + orders, billing g7→g8" if code == 0 else "✗ users")


def test_reload_all_tells_every_outcome_and_exits_by_the_worst(
    api: FakeApi, sysctl: Sysctl
) -> None:
    together = outcome(reloaded=("users", "orders"), plugins=("users", "orders")).to_json()
    document = {"success": False, "outcomes": [together, REFUSED.to_json()]}
    api.answers["POST /api/plugins/reload"] = (422, document)
    code, out, _ = sysctl("plugins", "reload", "--all", "--force", "--json")
    assert (code, json.loads(out)) == (5, document)
    assert api.asked("/api/plugins/reload")[0].query == {"force": "true"}
    _, out, _ = sysctl("plugins", "reload", "--all")
    assert [line[0] for line in out.splitlines() if line.startswith(("✓", "✗"))] == ["✓", "✗"]


def test_a_backup_is_asked_for_and_missed_when_it_could_not_be_written(
    api: FakeApi, sysctl: Sysctl
) -> None:
    written = outcome(backups=("instance/backups/users/1-g7.json",)).to_json()
    for path, words in (
        ("/api/plugins/users/reload", ("reload", "users")),
        ("/api/plugins/users/restart", ("restart", "users")),
    ):
        api.answers[f"POST {path}"] = (200, written)
        code, out, err = sysctl("plugins", *words, "--backup-state", "--json")
        assert (code, json.loads(out), err) == (0, written, "")
        assert api.asked(path)[0].query == {"backup_state": "true"}
        api.answers[f"POST {path}"] = (200, outcome(notes=("it was not: disk full",)).to_json())
        code, out, err = sysctl("plugins", *words, "--backup-state")
        assert (code, "note: it was not: disk full" in out) == (1, True)
        assert err == "error: no backup of users could be written\nhint: the note says why\n"
        assert sysctl("plugins", *words)[0] == 0


@pytest.mark.parametrize(("status", "sent", "code"), [(422, REFUSED, 5), (409, ROLLED_BACK, 6)])
def test_restart_tells_the_outcome_and_exits_by_it(
    api: FakeApi, sysctl: Sysctl, status: int, sent: Any, code: int
) -> None:
    api.answers["POST /api/plugins/users/restart"] = (status, sent.to_json())
    found, out, err = sysctl("plugins", "restart", "users", "--json")
    assert (found, json.loads(out), err) == (code, sent.to_json(), "")
    done = outcome(deed="restarted", reloaded=("users", "orders")).to_json()
    api.answers["POST /api/plugins/users/restart"] = (200, done)
    assert sysctl("plugins", "restart", "users")[1].startswith("✓ users restarted + orders g7→g8")


def test_restart_all_restarts_each_dependencies_first(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/graph"] = (200, GRAPH)
    for name in ("billing", "orders", "users"):
        api.answers[f"POST /api/plugins/{name}/restart"] = (200, outcome(plugin=name).to_json())
    code, out, _ = sysctl("plugins", "restart", "--all", "--json")
    assert (code, [o["plugin"] for o in json.loads(out)["outcomes"]]) == (
        0,
        ["users", "orders", "billing"],
    )


def test_restart_all_shows_what_was_done_before_it_broke_off(api: FakeApi, sysctl: Sysctl) -> None:
    nodes = [{"name": name, "status": "active"} for name in ("orders", "users")]
    api.answers["GET /api/graph"] = (200, {"nodes": nodes, "edges": []})
    done = outcome(plugin="orders", deed="restarted").to_json()
    api.answers["POST /api/plugins/orders/restart"] = (200, done)
    api.answers["POST /api/plugins/users/restart"] = BREAKS
    code, out, err = sysctl("plugins", "restart", "--all")
    assert (code, len(out.splitlines())) == (1, 1)
    assert "restarted" in out
    assert "broke before the answer came" in err


def test_where_there_is_no_plugin_reload_all_says_so(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["POST /api/plugins/reload"] = (200, {"success": True, "outcomes": []})
    told = (0, "", "there is no plugin that is not disabled\n")
    assert sysctl("plugins", "reload", "--all") == told


def test_a_connection_that_breaks_over_a_word_to_all_points_to_the_instances(
    api: FakeApi, sysctl: Sysctl
) -> None:
    api.answers["POST /api/plugins/reload"] = api.answers["POST /api/plugins/users/enable"] = BREAKS
    for words in (("reload", "--all"), ("enable", "users")):
        code, out, err = sysctl("plugins", *words, "--all-instances")
        assert (code, out) == (1, "")
        assert "broke before the answer came" in err
        assert "`sysctl instances` what each one serves" in err
    code, _, err = sysctl("plugins", "reload", "--all")
    assert (code, "sysctl instances" in err) == (1, False)


def test_all_plugins_on_all_instances_is_one_word(api: FakeApi, sysctl: Sysctl) -> None:
    instance = {"id": "a", "host": "vm", "pid": 1, "url": "http://127.0.0.1:1/"}
    report = {
        "success": True, "revision": 4, "plugin": "*", "action": "reload", "policy": "halt",
        "converged": [instance, instance], "failed": [], "missing": [], "note": None,
    }  # fmt: skip
    api.answers["POST /api/plugins/reload"] = (200, report)
    code, out, _ = sysctl("plugins", "reload", "--all", "--all-instances", "--backup-state")
    assert (code, out) == (0, "✓ all plugins reloaded on all 2 instances (revision 4)\n")
    (asked,) = api.asked("/api/plugins/reload")
    assert asked.query == {"all_instances": "true", "policy": "halt", "backup_state": "true"}


@pytest.mark.parametrize(
    "words", [["reload"], ["reload", "users", "--all"], ["info"], ["run", "users"], ["restart"]]
)
def test_a_wrong_use_exits_with_2(api: FakeApi, sysctl: Sysctl, words: list[str]) -> None:
    code, out, err = sysctl("plugins", *words)
    assert (code, out) == (2, "")
    assert "error: " in err
    assert f"hint: `sysctl plugins {words[0]} --help`" in err


def test_an_unknown_plugin_exits_with_3(api: FakeApi, sysctl: Sysctl) -> None:
    for words in (["info"], ["reload"], ["status"], ["run", "add"]):
        command, *more = words
        code, out, err = sysctl("plugins", command, "nobody", *more)
        assert (code, out) == (3, "")
        assert "error: no plugin named 'nobody'" in err


def test_what_needs_a_server_exits_with_4_and_says_how_to_start_one(sysctl: Sysctl) -> None:
    for words in (["reload", "users"], ["restart", "--all"], ["status"], ["run", "users", "add"]):
        code, out, err = sysctl("plugins", *words, "--json")
        assert code == 4
        assert "hint: start it in another terminal: `sysctl dev server`" in err
        assert set(json.loads(out)) == {"error", "hint"}


def test_a_plugin_that_cannot_serve_fails_with_the_servers_words(
    api: FakeApi, sysctl: Sysctl
) -> None:
    answer = {"error": "plugin 'users' is failed: boom", "diagnostics": [ERROR.to_json()]}
    api.answers["GET /api/plugins/users/commands"] = (503, answer)
    code, _, err = sysctl("plugins", "run", "users", "add")
    assert code == 1
    assert "error: plugin 'users' is failed: boom" in err
    assert "SYN101" in err


def test_outside_of_a_project_the_message_names_the_way_in(
    sysctl: Sysctl, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    code, _, err = sysctl("plugins", "list")
    assert code == 1
    assert "hint: " in err
    assert "--project DIR" in err
    code, _, err = sysctl("plugins", "list", "--project", "/nowhere")
    assert (code, "does not exist" in err) == (1, True)
