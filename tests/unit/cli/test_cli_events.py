"""`sysctl plugins events`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import FakeApi

from devserver.cli import events as module

Sysctl = Callable[..., tuple[int, str, str]]


def event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "topic": "order.placed",
        "plugin": "orders",
        "time": 1_700_000_000.25,
        "data": {"n": number},
        "listeners": 1,
        "deliveries": [{"plugin": "mailer", "listener": "M.on", "result": "delivered", "ms": 1}],
        **more,
    }


def test_events_are_shown_oldest_first_with_what_became_of_them(
    api: FakeApi, sysctl: Sysctl
) -> None:
    failed = [{"plugin": "mailer", "listener": "M.on", "result": "hung", "ms": 1}]
    rows = [
        event(3, listeners=0, deliveries=[]),
        event(2, listeners=2, deliveries=failed),
        event(1),
    ]
    api.answers["GET /api/events/recent"] = (200, rows)
    code, out, _ = sysctl("plugins", "events", "orders", "--topic", "order.*", "--limit", "3")
    lines = [line.split("  ") for line in out.splitlines()[1:]]
    assert code == 0
    assert [[cell.strip() for cell in line if cell][1:] for line in lines] == [
        ["order.placed", "orders", "mailer", '{"n": 1}'],
        ["order.placed", "orders", "mailer (hung), 1 waiting", '{"n": 2}'],
        ["order.placed", "orders", "nobody", '{"n": 3}'],
    ]
    query = {"plugin": "orders", "topic": "order.*", "limit": "3"}
    assert api.asked("/api/events/recent")[0].query == query
    assert [e["id"] for e in json.loads(sysctl("plugins", "events", "--json")[1])] == [1, 2, 3]


def test_follow_goes_on_from_the_last_one_as_ndjson(
    api: FakeApi, sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["GET /api/events/recent"] = (200, [event(7)])
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt
        api.answers["GET /api/events/recent"] = (200, [event(9), event(8)])

    monkeypatch.setattr(module.time, "sleep", pause)
    code, out, _ = sysctl("plugins", "events", "--follow", "--json")
    assert code == 130
    assert [json.loads(line)["id"] for line in out.splitlines()] == [7, 8, 9]
    assert api.asked("/api/events/recent")[1].query["after"] == "7"


def test_a_plugin_that_is_not_there_is_named(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/events/recent"] = (404, {"error": "Plugin not found"})
    code, _, err = sysctl("plugins", "events", "nobody")
    assert code == 3
    assert "no plugin named 'nobody'" in err
