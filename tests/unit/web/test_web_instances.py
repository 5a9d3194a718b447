"""GET /api/instances, and words to all instances."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_fakes import FakeControl, record

from devserver.core.errors import DatabaseUnavailable
from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings

SHOWN = {"shared": True, "self": "a", "revision": 4, "instances": []}


class FakeGroup:
    """Answers what a test says and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.success = True
        self.failure: Exception | None = None

    def ask(
        self,
        plugin: str,
        action: str,
        *,
        policy: str = "halt",
        options: Mapping[str, Any] | None = None,
        timeout: float = 300.0,
    ) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        self.asked.append((plugin, action, policy, options, timeout))
        return {"success": self.success, "converged": [], "failed": [], "missing": []}

    def shown(self) -> dict[str, Any]:
        return SHOWN


@pytest.fixture
def group() -> FakeGroup:
    return FakeGroup()


def client_of(control: FakeControl, group: FakeGroup | None) -> FlaskClient:
    control.add(record("my_users"))
    app = create_web_app(
        control, token="t", gate=GateSettings(), stopping=threading.Event(), group=group
    )
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer t"
    return client


@pytest.fixture
def client(control: FakeControl, group: FakeGroup) -> FlaskClient:
    return client_of(control, group)


@pytest.fixture
def alone(control: FakeControl) -> FlaskClient:
    """A client of a server that shares its database with nobody."""
    return client_of(control, None)


def test_the_instances_are_told_as_the_group_knows_them(client: FlaskClient) -> None:
    assert client.get("/api/instances").get_json() == SHOWN


def test_without_a_shared_database_there_are_none(alone: FlaskClient) -> None:
    answer = alone.get("/api/instances").get_json()
    assert (answer["shared"], answer["instances"]) == (False, [])


@pytest.mark.parametrize("action", ["enable", "disable", "reload"])
def test_all_instances_are_asked(
    client: FlaskClient, group: FakeGroup, control: FakeControl, action: str
) -> None:
    answer = client.post(f"/api/plugins/my-users/{action}?all_instances=true")
    assert (answer.status_code, answer.get_json()["success"]) == (200, True)
    assert group.asked == [("my_users", action, "halt", {}, 300)]
    assert control.reload_calls == []


def test_policy_force_and_timeout_are_passed_on(client: FlaskClient, group: FakeGroup) -> None:
    query = "all_instances=true&policy=continue&force=true&timeout=7"
    assert client.post(f"/api/plugins/my_users/disable?{query}").status_code == 200
    assert group.asked == [("my_users", "disable", "continue", {"force": True}, 7)]


def test_who_has_not_converged_is_told_with_409(client: FlaskClient, group: FakeGroup) -> None:
    group.success = False
    answer = client.post("/api/plugins/my_users/enable?all_instances=true")
    assert (answer.status_code, answer.get_json()["success"]) == (409, False)


@pytest.mark.parametrize("query", ["policy=maybe", "timeout=0", "timeout=x"])
def test_unusable_parameters_are_refused(client: FlaskClient, group: FakeGroup, query: str) -> None:
    answer = client.post(f"/api/plugins/my_users/reload?all_instances=true&{query}")
    assert (answer.status_code, group.asked) == (400, [])


def test_an_unknown_plugin_is_refused_before_anybody_is_asked(
    client: FlaskClient, group: FakeGroup
) -> None:
    assert client.post("/api/plugins/nobody/reload?all_instances=1").status_code == 404
    assert group.asked == []


def test_without_a_shared_database_the_parameter_is_refused_with_a_hint(
    alone: FlaskClient, control: FakeControl
) -> None:
    answer = alone.post("/api/plugins/my_users/disable?all_instances=true")
    assert answer.status_code == 400
    assert "PostgreSQL" in answer.get_json()["error"]
    assert "database.url" in answer.get_json()["hint"]
    assert control.reload_calls == []


def test_without_the_parameter_only_this_instance_is_meant(
    client: FlaskClient, group: FakeGroup, control: FakeControl
) -> None:
    assert client.post("/api/plugins/my_users/reload?all_instances=false").status_code == 200
    assert (len(control.reload_calls), group.asked) == (1, [])


def test_a_database_that_is_away_is_told_as_such(client: FlaskClient, group: FakeGroup) -> None:
    group.failure = DatabaseUnavailable("the database is away", hint="start it")
    answer = client.post("/api/plugins/my_users/reload?all_instances=true")
    assert answer.status_code == 503
    assert answer.get_json() == {"error": "the database is away", "hint": "start it"}


def test_all_plugins_are_reloaded_everywhere(client: FlaskClient, group: FakeGroup) -> None:
    answer = client.post("/api/plugins/reload?all_instances=true&backup_state=true")
    assert answer.status_code == 200
    assert group.asked == [("*", "reload", "halt", {"backup_state": True}, 300)]
