"""The shapes of /api."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from web_fakes import LOADED, SYNTAX, FakeControl, outcome, record

from devserver.core.errors import DevServerError, PluginHookFailed, PluginUnavailable
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.manifest import Manifest
from devserver.core.outcome import Result
from devserver.runtime.registry import Edge


def test_plugins_are_listed_by_name_with_all_fields(
    control: FakeControl, client: FlaskClient
) -> None:
    edge = Edge(source="user_desk", target="accounts", kind="declared")
    control.add(record("user-desk"), record("accounts"), edges=(edge,))
    listed = client.get("/api/plugins").json
    assert [row["name"] for row in listed] == ["accounts", "user-desk"]
    assert listed[1] == {
        "name": "user-desk",
        "version": "1.2.0",
        "status": "active",
        "reason": "user-desk is active",
        "generation": 3,
        "pending": False,
        "location": None,
        "last_loaded": LOADED.isoformat(),
        "description": "All about user-desk",
        "enabled": True,
        "health": control.health("user-desk"),
        "reload_count": 2,
        "routes_count": 2,
        "diagnostics": [],
        "dependencies": ["accounts"],
        "dependents": [],
    }
    assert listed[0]["dependents"] == ["user-desk"]


def test_no_plugins_is_an_empty_list(client: FlaskClient) -> None:
    assert client.get("/api/plugins").json == []


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Result.RELOADED, 200),
        (Result.UNCHANGED, 200),
        (Result.REJECTED, 422),
        (Result.ROLLED_BACK, 409),
    ],
)
def test_reload_answers_with_the_outcome(
    control: FakeControl, client: FlaskClient, result: Result, status: int
) -> None:
    control.add(record("orders"))
    control.on_reload = lambda name: outcome(name, result, error="it broke", diagnostics=(SYNTAX,))
    answer = client.post("/api/plugins/orders/reload")
    assert answer.status_code == status
    assert answer.json["result"] == str(result)
    assert answer.json["success"] is (status == 200)
    assert answer.json["rolled_back"] is (result is Result.ROLLED_BACK)
    assert answer.json["diagnostics"][0]["code"] == "SYN001"
    assert answer.json["steps"][1] == {"name": "stage", "plugin": "orders", "ms": 20.5}
    assert answer.json["state"] == {
        "kept": ["count"],
        "merged": ["greeting"],
        "passed": [],
        "lost": [],
    }


def test_reload_takes_either_spelling_and_force(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("user-desk"))
    assert client.post("/api/plugins/user_desk/reload?force=true").status_code == 200
    assert control.reload_calls == [("user-desk", True, "api")]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/plugins/orders/enable", "Plugin orders enabled successfully"),
        ("/api/plugins/orders/disable?force=true", "Plugin orders disabled successfully"),
        ("/api/plugins/orders/unload", "Plugin orders unloaded successfully"),
    ],
)
def test_switching_tells_how_many_routes_it_affected(
    control: FakeControl, client: FlaskClient, path: str, said: str
) -> None:
    control.add(record("orders"))
    control.on_reload = lambda name: outcome(name, routes_before=3, routes_after=0)
    answer = client.post(path)
    assert answer.status_code == 200
    assert (answer.json["message"], answer.json["routes_affected"]) == (said, 3)


def test_a_word_that_was_not_kept_is_told(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("orders"))
    control.on_reload = lambda name: outcome(name).for_this_run("the disk is full")
    notes = ["kept for this run only, until the database takes it: the disk is full"]
    answer = client.post("/api/plugins/orders/disable").json
    assert answer["message"] == "Plugin orders disabled for this run only"
    assert (answer["kept"], answer["notes"]) == (False, notes)
    answer = client.post("/admin/plugins/orders/disable").json
    assert (answer["kept"], answer["notes"]) == (False, notes)


def test_the_other_addresses_switch_in_their_own_shape(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("orders"))
    answer = client.post("/admin/plugins/orders/disable")
    assert answer.json == {"status": "disabled", "name": "orders"}
    answer = client.post("/admin/plugins/orders/enable")
    assert answer.json == {"status": "enabled", "name": "orders"}


def test_reload_with_a_meaningless_force_is_refused(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("orders"))
    answer = client.post("/api/plugins/orders/reload?force=perhaps")
    assert answer.status_code == 400
    assert answer.json["hint"] == "use force=true"
    assert control.reload_calls == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/plugins/ghost/reload"),
        ("GET", "/api/plugins/ghost/status"),
        ("GET", "/api/plugins/ghost/info"),
        ("POST", "/api/plugins/ghost/commands/count"),
        ("GET", "/api/hot-reload/plugins/ghost/info"),
        ("GET", "/api/history?plugin=ghost"),
        ("POST", "/admin/plugins/ghost/reload"),
        ("POST", "/admin/plugins/ghost/disable"),
        ("POST", "/api/plugins/ghost/enable"),
        ("POST", "/api/plugins/ghost/unload"),
        ("POST", "/plugins/reload?plugin=ghost"),
    ],
)
def test_an_unknown_plugin_is_not_found(client: FlaskClient, method: str, path: str) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == 404
    assert answer.json["error"] == "Plugin not found"
    assert answer.json["hint"]


def test_status_and_info_tell_commands_config_and_diagnostics(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("orders", diagnostics=(SYNTAX,), pending=True))
    status = client.get("/api/plugins/orders/status").json
    assert status["commands"] == ["count"]
    assert status["health"]["status"] == "healthy"
    assert status["pending"] is True
    info = client.get("/api/plugins/orders/info").json
    assert info["routes"]["count"] == 1
    assert info["config"] == {"api_key": "***"}
    assert info["generation"] == 3
    assert info["diagnostics"][0]["source_lines"] == ["    total = sum(prices"]


def test_what_the_manifest_omits_comes_from_the_class_without_running_it(
    control: FakeControl, client: FlaskClient
) -> None:
    class Plugin:
        description = "From the class"
        is_core = True

        @property
        def author(self) -> str:
            raise AssertionError("run")

    source = SimpleNamespace(location="plugins/orders")
    generation = SimpleNamespace(version="7", number=3, plugin=Plugin(), source=source)
    control.add(record("orders", manifest=Manifest(), generation=generation))
    assert client.get("/api/plugins").json[0]["description"] == "From the class"
    info = client.get("/api/plugins/orders/info").json
    assert (info["version"], info["author"], info["is_core"]) == ("7", "", True)


def test_discover_tells_all_known_names(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("b"), record("a"))
    assert client.post("/api/plugins/discover").json == {"discovered": ["a", "b"], "total": 2}


def test_summary_counts(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("a"), record("b"), record("c", PluginStatus.FAILED))
    found = client.get("/api/plugins/status/summary").json
    uptime = found.pop("uptime")
    assert uptime > 0
    assert found == {
        "total": 3,
        "by_status": {"active": 2, "failed": 1},
        "routes": 6,
        "requests": 42,
    }


def test_reload_status_is_operational_until_something_is_wrong(
    control: FakeControl, client: FlaskClient
) -> None:
    off = record("off", PluginStatus.DISABLED, desired=DesiredState.INACTIVE)
    control.add(record("a"), off)
    found = client.get("/api/hot-reload/status").json
    assert found == {
        "active_plugins": ["a"],
        "total_active": 1,
        "status": "operational",
        "watching": True,
        "mode": "native",
        "pending": [],
        "last_reload": None,
    }
    control.add(record("a", pending=True, diagnostics=(SYNTAX,)))
    control.journal.record(outcome("a", Result.REJECTED))
    found = client.get("/api/hot-reload/status").json
    assert found["status"] == "degraded"
    assert found["pending"] == ["a"]
    assert found["last_reload"]["result"] == "rejected"


def test_reload_info_of_a_plugin_has_generations_and_outcomes(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("user-desk"), record("other"))
    control.journal.record(outcome("user_desk"))
    control.journal.record(outcome("other"))
    found = client.get("/api/hot-reload/plugins/user-desk/info").json
    assert found["generation"] == 3
    assert found["live_generations"] == [3]
    assert [o["plugin"] for o in found["outcomes"]] == ["user_desk"]


def test_history_is_newest_first_filtered_and_limited(
    control: FakeControl, client: FlaskClient
) -> None:
    for name in ("a", "b", "a"):
        control.journal.record(outcome(name, plugins=(name, "shared")))
    assert [o["id"] for o in client.get("/api/history").json] == [3, 2, 1]
    assert [o["id"] for o in client.get("/api/history?plugin=a").json] == [3, 1]
    assert [o["id"] for o in client.get("/api/history?plugin=shared&limit=2").json] == [3, 2]


@pytest.mark.parametrize("limit", ["0", "-1", "many", "", "1001", "1.5", "٣", "9" * 5000])
def test_history_refuses_a_bad_limit(client: FlaskClient, limit: str) -> None:
    answer = client.get("/api/history", query_string={"limit": limit})
    assert answer.status_code == 400
    assert "limit" in answer.json["error"]
    assert answer.json["hint"] == "use limit=100"


def test_graph_has_nodes_and_edges_in_the_folders_spelling(
    control: FakeControl, client: FlaskClient
) -> None:
    edges = (
        Edge(source="user_desk", target="accounts", kind="imported"),
        Edge(source="accounts", target="missing_one", kind="declared"),
    )
    control.add(record("user-desk"), record("accounts", PluginStatus.FAILED), edges=edges)
    assert client.get("/api/graph").json == {
        "nodes": [
            {"name": "accounts", "status": "failed"},
            {"name": "user-desk", "status": "active"},
        ],
        "edges": [
            {"from": "user-desk", "to": "accounts", "kind": "imported"},
            {"from": "accounts", "to": "missing_one", "kind": "declared"},
        ],
    }


def test_a_command_gets_its_arguments_and_its_result_comes_back(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("orders"))
    control.commands["orders", "count"] = lambda by=1: {"seen": {by}, "at": LOADED}
    answer = client.post("/api/plugins/orders/commands/count", json={"by": 3})
    assert answer.json == {"result": {"seen": [3], "at": LOADED.isoformat()}}
    answer = client.post("/api/plugins/orders/commands/count")
    assert answer.json["result"]["seen"] == [1]


def test_numbers_that_json_lacks_become_null(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("orders"))
    control.commands["orders", "odd"] = lambda: [float("nan"), 1.5, {"x": float("inf")}]
    answer = client.post("/api/plugins/orders/commands/odd")
    assert json.loads(answer.data) == {"result": [None, 1.5, {"x": None}]}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "application/json; charset=nonsense", 200),
    ],
)
def test_what_is_no_json_object_is_refused(
    control: FakeControl, client: FlaskClient, body: bytes, kind: str, status: int
) -> None:
    control.add(record("orders"))
    control.commands["orders", "count"] = lambda: 1
    answer = client.post("/api/plugins/orders/commands/count", data=body, content_type=kind)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.json["error"]
        assert answer.json["hint"]


def test_a_body_beyond_the_limit_is_refused(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("orders"))
    answer = client.post(
        "/api/plugins/orders/commands/count",
        data=b" " * (16 * 1024 * 1024 + 1),
        content_type="application/json",
    )
    assert answer.status_code == 413


def _raise(error: Exception) -> object:
    raise error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DevServerError("'by' is missing", hint="count takes by"), 400),
        (PluginUnavailable("orders is failed", hint="fix it"), 503),
        (
            PluginHookFailed("count raised ValueError", plugin="orders", hook="count", code="RUN1"),
            500,
        ),
    ],
)
def test_a_failed_command_tells_why(
    control: FakeControl, client: FlaskClient, error: DevServerError, status: int
) -> None:
    control.add(record("orders", diagnostics=(SYNTAX,)))
    control.commands["orders", "count"] = lambda: _raise(error)
    answer = client.post("/api/plugins/orders/commands/count")
    assert answer.status_code == status
    assert answer.json["error"] == error.message
    if status == 503:
        assert answer.json["diagnostics"][0]["code"] == "SYN001"


def test_a_command_that_raises_is_the_plugins_fault_and_shown(
    control: FakeControl, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    control.add(record("orders"))
    control.commands["orders", "count"] = lambda: 1 / 0
    answer = client.post("/api/plugins/orders/commands/count")
    assert answer.status_code == 500
    assert answer.json["error"].startswith("command 'count' of 'orders' raised ZeroDivisionError")
    assert "ZeroDivisionError" in answer.json["traceback"]
    assert "web/api.py" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_an_unknown_command_is_not_found(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("orders"))
    answer = client.post("/api/plugins/orders/commands/dance")
    assert answer.status_code == 404
    assert "dance" in answer.json["error"]


@pytest.mark.parametrize("result", [object(), [object()], b"\xff"])
def test_a_command_result_that_json_cannot_say_is_told_as_such(
    control: FakeControl, client: FlaskClient, result: object
) -> None:
    control.add(record("orders"))
    control.commands["orders", "odd"] = lambda: result
    answer = client.post("/api/plugins/orders/commands/odd")
    assert answer.status_code == 500
    assert "JSON cannot say" in answer.json["error"]


def test_a_command_result_that_holds_itself_is_told_as_such(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("orders"))
    ring: list[object] = []
    ring.append(ring)
    control.commands["orders", "odd"] = lambda: ring
    answer = client.post("/api/plugins/orders/commands/odd")
    assert answer.status_code == 500
    assert "JSON cannot say" in answer.json["error"]


def test_a_fault_of_ours_is_logged_and_not_shown(
    control: FakeControl, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    control.add(record("orders"))
    control.on_reload = lambda name: _raise(KeyError("secret detail"))  # type: ignore[return-value]
    answer = client.post("/api/plugins/orders/reload")
    assert answer.status_code == 500
    assert answer.json["error"] == "internal server error"
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/plugins/orders/rollbacks"),
        ("POST", "/admin/plugins/install"),
        ("GET", "/nobody/here"),
        ("GET", "/api//plugins/%00"),
        ("GET", "/./api/plugins"),
    ],
)
def test_what_does_not_exist_is_a_json_404(
    control: FakeControl, client: FlaskClient, method: str, path: str
) -> None:
    control.add(record("orders"))
    answer = client.open(path, method=method)
    assert answer.status_code == 404
    assert answer.is_json
    assert answer.json["error"]
    assert answer.json["hint"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/plugins", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/plugins/orders/reload", {"POST", "OPTIONS"}),
        ("GET", "/plugins/reload", {"POST", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/api/plugins", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_names_the_right_ones(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert answer.json["hint"]


def test_a_browser_gets_an_error_page_that_shows_text_as_text(client: FlaskClient) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = client.get("/api/<script>alert(1)</script>", headers=accept)
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "", "text/html;q=abc,,;", "application/json,text/html"]
)
def test_other_clients_get_json_errors(client: FlaskClient, accept: str) -> None:
    answer = client.get("/api/nothing", headers={"Accept": accept})
    assert answer.is_json


def test_answers_are_not_stored(client: FlaskClient) -> None:
    assert client.get("/api/plugins").headers["Cache-Control"] == "no-store"


def test_settings_are_shown_applied_and_said_for_a_run(
    control: FakeControl, client: FlaskClient
) -> None:
    path = "/api/hot-reload/settings"
    shown = client.get(path).json
    assert (shown["ok"], shown["for_this_run"], shown["diagnostics"]) == (True, False, [])
    assert shown["settings"]["development_mode"] is True
    said = client.post(path, json={"development_mode": False}).json
    assert (said["for_this_run"], said["settings"]["development_mode"]) == (True, False)
    assert client.post(path).json == shown
    for body in ({"development_mode": "no"}, {"development_mode": 1}, {"enabled": False}):
        answer = client.post(path, json=body)
        assert (answer.status_code, "development_mode" in answer.json["hint"]) == (400, True)


def test_restart_answers_with_the_outcome(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("users"))
    answer = client.post("/api/plugins/users/restart?force=true&backup_state=true")
    assert (answer.status_code, answer.json["plugin"]) == (200, "users")
    assert control.reload_calls == [("users", True, "api restart backup")]
    control.on_reload = lambda name: outcome(name, Result.ROLLED_BACK)
    assert client.post("/api/plugins/users/restart").status_code == 409
    assert client.post("/api/plugins/nobody/restart").status_code == 404


def test_all_are_reloaded_and_the_worst_decides(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("a"), record("b"), record("c"))
    results = {"a": Result.RELOADED, "b": Result.RELOADED, "c": Result.RELOADED}
    control.on_reload = lambda name: outcome(name, results[name])
    answer = client.post("/api/plugins/reload?backup_state=true")
    assert (answer.status_code, answer.json["success"]) == (200, True)
    assert [o["plugin"] for o in answer.json["outcomes"]] == ["a", "b", "c"]
    assert {trigger for _, _, trigger in control.reload_calls} == {"api backup"}
    results["c"] = Result.REJECTED
    assert client.post("/api/plugins/reload").status_code == 422
    results["b"] = Result.ROLLED_BACK
    answer = client.post("/api/plugins/reload")
    assert (answer.status_code, answer.json["success"]) == (409, False)
