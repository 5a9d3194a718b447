"""`sysctl plugins health`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import FakeApi

Sysctl = Callable[..., tuple[int, str, str]]


def answers(api: FakeApi, overall: str, **states: str) -> None:
    plugins = {
        name: {"status": s, "state": "active", "last_check": 1, "checks": {"active_requests": 0}}
        for name, s in states.items()
    }
    api.answers["GET /plugins/health"] = (
        200,
        {"overall_status": overall, "plugins": plugins, "timestamp": 1},
    )
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "health": {
                "status": s,
                "message": f"{name} says {s}",
                "components": {"db": {"status": s, "rows": 3}},
                "metrics": {"jobs": 2.0},
            },
        }
        for name, s in states.items()
    ]
    api.answers["GET /api/plugins"] = (200, rows)


@pytest.mark.parametrize(("overall", "code"), [("healthy", 0), ("degraded", 1), ("unhealthy", 1)])
def test_the_exit_code_tells_whether_all_are_healthy(
    api: FakeApi, sysctl: Sysctl, overall: str, code: int
) -> None:
    answers(api, overall, users=overall, orders="healthy")
    found, out, _ = sysctl("plugins", "health")
    assert found == code
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == [overall]
    assert ["users", overall, "active", "users", "says", overall] in lines
    assert ["db", overall, "rows=3"] in lines
    assert ["jobs", "2"] in lines


def test_one_plugin_speaks_for_itself(api: FakeApi, sysctl: Sysctl) -> None:
    answers(api, "degraded", my_users="unhealthy", orders="healthy")
    assert sysctl("plugins", "health", "orders")[0] == 0
    code, out, _ = sysctl("plugins", "health", "my-users", "--json")
    assert code == 1
    document = json.loads(out)
    assert document["overall_status"] == "unhealthy"
    assert document["plugins"]["my_users"]["message"] == "my_users says unhealthy"
    assert set(document["plugins"]) == {"my_users"}
    assert sysctl("plugins", "health", "nobody")[0] == 3
