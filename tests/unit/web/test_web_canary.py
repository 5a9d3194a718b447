"""Canaries over HTTP."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from web_fakes import FakeControl, outcome, record

from devserver.core.outcome import Result


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("canary=10", {"percent": 10, "sticky": False, "requests": 20, "force": False}),
        (
            "canary=2.5%25&sticky=true&requests=0&force=true",
            {"percent": 2.5, "sticky": True, "requests": 0, "force": True},
        ),
    ],
)
def test_a_reload_can_ask_for_one(
    client: FlaskClient, control: FakeControl, query: str, terms: dict[str, object]
) -> None:
    control.add(record("users"))
    answer = client.post(f"/api/plugins/users/reload?{query}")
    assert answer.status_code == 200
    assert control.canaries.calls == [("start", "users", terms)]
    assert control.reload_calls == []


@pytest.mark.parametrize(
    "query",
    [
        "canary=",
        "canary=0",
        "canary=many",
        "canary=5&requests=-1",
        "canary=5&all_instances=true",
        "sticky=true",
        "requests=5",
    ],
)
def test_terms_that_would_not_be_kept_are_refused(
    client: FlaskClient, control: FakeControl, query: str
) -> None:
    control.add(record("users"))
    answer = client.post(f"/api/plugins/users/reload?{query}")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["hint"]
    assert control.canaries.calls == []
    assert control.reload_calls == []


@pytest.mark.parametrize(
    ("word", "result", "status"),
    [
        ("promote", Result.RELOADED, 200),
        ("promote", Result.ROLLED_BACK, 409),
        ("abort", Result.ROLLED_BACK, 200),
    ],
)
def test_a_word_ends_it(
    client: FlaskClient, control: FakeControl, word: str, result: Result, status: int
) -> None:
    control.add(record("users"))
    control.on_reload = lambda name: outcome(name, result)
    answer = client.post(f"/api/plugins/users/canary/{word}")
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json["result"] == str(result)
    assert control.canaries.calls == [("end", "users", word)]


def test_those_that_run_are_listed(client: FlaskClient, control: FakeControl) -> None:
    assert client.get("/api/canaries").json == []
    control.canaries.running.append({"plugin": "users"})
    assert client.get("/api/canaries").json == [{"plugin": "users"}]


def test_where_there_is_none_that_is_said(client: FlaskClient, control: FakeControl) -> None:
    control.add(record("users"))
    answer = client.get("/api/plugins/users/canary")
    assert answer.status_code == 409
    assert answer.json is not None
    assert answer.json["error"] == "plugin 'users' has no canary"
    assert answer.json["hint"] == "begin one"
    assert client.get("/api/plugins/nobody/canary").status_code == 404
