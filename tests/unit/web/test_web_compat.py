"""The shapes of /admin and /plugins."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient
from web_fakes import SYNTAX, FakeControl, outcome, record

from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.outcome import Result
from devserver.web.compat import duration


@pytest.fixture
def _two(control: FakeControl) -> None:
    control.started_at = time.time() - 8130
    control.add(record("geo-limit"), record("zerotrust"))


def _unstamped(answer: dict[str, object]) -> dict[str, object]:
    stamp = answer.pop("timestamp")
    assert isinstance(stamp, int)
    assert abs(stamp - time.time()) < 60
    return answer


def test_admin_lists_available_and_loaded(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("reports", PluginStatus.FAILED), record("powertable"))
    assert client.get("/admin/plugins").json == {
        "available": ["powertable", "reports"],
        "loaded": ["powertable"],
    }


def test_admin_reload_has_the_short_answer(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("powertable"))
    answer = client.post("/admin/plugins/powertable/reload")
    assert answer.json == {"status": "reloaded", "name": "powertable"}


def test_admin_reload_that_fails_says_so(control: FakeControl, client: FlaskClient) -> None:
    control.add(record("powertable"))
    control.on_reload = lambda name: outcome(name, Result.REJECTED, diagnostics=(SYNTAX,))
    answer = client.post("/admin/plugins/powertable/reload")
    assert answer.status_code == 422
    assert answer.json["status"] == "failed"
    assert answer.json["error"] == "powertable rejected"
    assert answer.json["diagnostics"][0]["code"] == "SYN001"


@pytest.mark.usefixtures("_two")
def test_management_status_has_system_health_and_uptime(client: FlaskClient) -> None:
    found = _unstamped(client.get("/plugins/status").json)
    assert str(found.pop("uptime")).startswith("2h15m3")
    assert found == {
        "plugin_system": {
            "enabled": True,
            "total_plugins": 2,
            "active_plugins": 2,
            "plugin_dir": "/projects/shop/plugins",
            "active_requests": 2,
            "plugin_states": {"geo-limit": "active", "zerotrust": "active"},
        },
        "health_status": {
            "healthy_count": 2,
            "unhealthy_count": 0,
            "total_count": 2,
            "overall_status": "healthy",
        },
    }


@pytest.mark.usefixtures("_two")
def test_management_list_has_each_plugin_with_its_health(client: FlaskClient) -> None:
    found = _unstamped(client.get("/plugins/list").json)
    assert found["total_count"] == 2
    row = found["plugins"][0]  # type: ignore[index]
    assert row == {
        "name": "geo-limit",
        "status": "active",
        "health": {
            "status": "healthy",
            "state": "active",
            "last_check": 1795272546,
            "checks": {"active_requests": 1},
        },
    }


@pytest.mark.parametrize(
    ("healths", "states", "overall"),
    [
        (("healthy", "healthy"), ("active", "active"), "healthy"),
        (("healthy", "unknown"), ("active", "active"), "healthy"),
        (("healthy", "unhealthy"), ("active", "active"), "degraded"),
        (("healthy", "unhealthy"), ("active", "failed"), "degraded"),
        (("unhealthy", "unhealthy"), ("active", "failed"), "unhealthy"),
    ],
)
def test_management_health_sums_up(
    control: FakeControl,
    client: FlaskClient,
    healths: tuple[str, str],
    states: tuple[str, str],
    overall: str,
) -> None:
    control.add(*(record(n, PluginStatus(s)) for n, s in zip("ab", states, strict=True)))
    control.healths = dict(zip("ab", healths, strict=True))
    found = _unstamped(client.get("/plugins/health").json)
    assert found["overall_status"] == overall
    assert found["plugins"]["a"]["status"] == healths[0]  # type: ignore[index]


def test_a_disabled_plugin_is_not_ill(control: FakeControl, client: FlaskClient) -> None:
    off = record("b", PluginStatus.DISABLED, desired=DesiredState.INACTIVE)
    control.add(record("a"), off)
    control.healths = {"b": "unknown"}
    found = client.get("/plugins/status").json["health_status"]
    assert found["overall_status"] == "healthy"
    assert found["total_count"] == 1


@pytest.mark.usefixtures("_two")
def test_management_reload_answers_in_its_own_shape(client: FlaskClient) -> None:
    found = _unstamped(client.post("/plugins/reload?plugin=geo_limit").json)
    assert found == {
        "plugin": "geo-limit",
        "status": "success",
        "message": "Plugin reloaded successfully with graceful draining",
    }


@pytest.mark.usefixtures("_two")
def test_management_reload_that_fails_keeps_the_shape(
    control: FakeControl, client: FlaskClient
) -> None:
    control.on_reload = lambda name: outcome(name, Result.ROLLED_BACK, error="initialize() raised")
    answer = client.post("/plugins/reload?plugin=geo-limit")
    assert answer.status_code == 409
    assert answer.json["status"] == "error"
    assert answer.json["error"] == "initialize() raised"
    assert isinstance(answer.json["timestamp"], int)


def test_management_reload_without_a_name_says_what_is_missing(client: FlaskClient) -> None:
    answer = client.post("/plugins/reload")
    assert answer.status_code == 400
    assert "plugin" in answer.json["error"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m0s"), (930, "15m30s"), (8130, "2h15m30s"), (7200, "2h0m0s")],
)
def test_durations_are_written_in_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
