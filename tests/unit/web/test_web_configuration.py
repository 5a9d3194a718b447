"""GET and PUT of configurations."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_fakes import SYNTAX, FakeControl, outcome, record

from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Result


def unstamped(answer: dict[str, Any]) -> dict[str, Any]:
    stamp = answer.pop("timestamp")
    assert isinstance(stamp, int)
    assert abs(stamp - time.time()) < 60
    return answer


def test_the_effective_configuration(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("ratelimit-geo"))
    answer = client.get("/plugins/config?plugin=ratelimit_geo")
    assert unstamped(answer.json) == {
        "plugin": "ratelimit-geo",
        "config": {"enabled": True, "api_key": "***"},
    }


@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, {}])
def test_a_change(control: FakeControl, client: FlaskClient, headers: dict[str, str]) -> None:
    control.add(record("ratelimit-geo"))
    body = '{"enabled": false, "old": null}'
    answer = client.put("/plugins/config?plugin=ratelimit-geo", data=body, headers=headers)
    assert answer.status_code == 200
    assert unstamped(answer.json) == {
        "plugin": "ratelimit-geo",
        "status": "success",
        "message": "Configuration updated and plugin reloaded",
    }
    assert control.configured == [("ratelimit-geo", {"enabled": False, "old": None})]


@pytest.mark.parametrize(("result", "status"), [(Result.REJECTED, 422), (Result.ROLLED_BACK, 409)])
def test_a_change_that_cannot_be(
    control: FakeControl, client: FlaskClient, result: Result, status: int
) -> None:
    control.add(record("users"))
    control.on_reload = lambda name: outcome(name, result, error="no", diagnostics=(SYNTAX,))
    answer = client.put("/plugins/config?plugin=users", json={"enabled": 5})
    assert answer.status_code == status
    found = unstamped(answer.json)
    assert [d["code"] for d in found.pop("diagnostics")] == ["SYN001"]
    assert found == {
        "plugin": "users",
        "status": "error",
        "message": "Configuration not updated: no",
        "result": str(result),
        "error": "no",
    }


def test_one_that_is_out_of_service_is_not_reloaded(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("users", PluginStatus.DISABLED))
    answer = client.put("/plugins/config?plugin=users", json={"enabled": True})
    assert answer.json["message"] == "Configuration updated; the plugin is disabled"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/plugins/config", "{}", 400),
        ("/plugins/config?plugin=nobody", "{}", 404),
        ("/plugins/config?plugin=users", "[1]", 400),
        ("/plugins/config?plugin=users", "{", 400),
        ("/api/plugins/nobody/config", "{}", 404),
    ],
)
def test_unusable_input(
    control: FakeControl, client: FlaskClient, path: str, body: str, status: int
) -> None:
    control.add(record("users"))
    answer = client.put(path, data=body)
    assert answer.status_code == status
    assert answer.json["error"]
    assert control.configured == []


def test_half_a_surrogate_pair_is_no_fault_of_the_server(
    control: FakeControl, client: FlaskClient
) -> None:
    control.add(record("odd", reason="caf\ud800é"))
    answer = client.get("/api/plugins/odd/info")
    assert answer.status_code == 200
    assert answer.json["reason"] == "caf\ud800é"


def test_where_values_come_from_and_the_outcome(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("users"))
    answer = client.get("/api/plugins/users/config").json
    assert answer["plugin"] == "users"
    assert answer["values"][0]["file"] == "a.yaml"
    answer = client.put("/api/plugins/users/config", json={"enabled": True})
    assert (answer.json["plugin"], answer.json["result"]) == ("users", "reloaded")


def test_a_command_that_raises_a_secret(control: FakeControl, client: FlaskClient) -> None:
    def leak() -> None:
        raise ValueError("with hunter2")

    control.add(record("users"))
    control.commands["users", "leak"] = leak
    answer = client.post("/api/plugins/users/commands/leak")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "***" in answer.json["error"]
