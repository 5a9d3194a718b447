"""`sysctl plugins profile`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import REFUSED, ROLLED_BACK, FakeApi, outcome

from devserver.cli.profiling import step_figures
from devserver.core.outcome import Outcome, Step

Sysctl = Callable[..., tuple[int, str, str]]
PARTS = [
    {"kind": "module", "name": "plugins.users", "ms": 9.0, "own_ms": 1.0},
    {"kind": "hook", "name": "initialize", "ms": 7.0, "own_ms": 7.0},
]


def timed(number: int, ms: float, **more: Any) -> Outcome:
    steps = (Step(name="validate", ms=ms), Step(name="stage", ms=2, plugin="users"),
             Step(name="stage", ms=2), Step(name="dispose", ms=50))  # fmt: skip
    return outcome(id=number, steps=steps, duration_ms=ms + 5, **more)


def answer(api: FakeApi, *outcomes: Outcome) -> None:
    api.answers["GET /api/history"] = (200, [o.to_json() for o in outcomes])
    document = {"name": "users", "generation": 8, "parts": PARTS}
    api.answers["GET /api/plugins/users/profile"] = (200, document)


def test_steps_have_medians_the_slowest_and_what_is_between_them() -> None:
    reloads = [timed(3, 4).to_json(), timed(2, 10).to_json(), timed(1, 6).to_json()]
    rows = {row["step"]: row for row in step_figures(reloads)}
    assert list(rows) == ["validate", "stage", "between", "total", "dispose"]
    assert rows["validate"] == {
        "step": "validate", "runs": 3, "median_ms": 6, "slowest_ms": 10, "slowest": 2, "last_ms": 4,
    }  # fmt: skip
    assert rows["stage"]["median_ms"] == 2  # that of one plugin is in that of the batch
    assert rows["between"]["median_ms"] == 3
    assert rows["total"]["slowest_ms"] == 15


def test_only_reloads_that_went_live_count(api: FakeApi, sysctl: Sysctl) -> None:
    others = outcome(id=9, reloaded=("orders",))
    started, enabled = timed(8, 1, trigger="start"), timed(7, 1, deed="enabled")
    answer(api, REFUSED, ROLLED_BACK, others, started, enabled, timed(2, 4), timed(1, 6))
    document = json.loads(sysctl("plugins", "profile", "users", "--json")[1])
    assert (document["reloads"], document["outcomes"]) == (2, [2, 1])
    assert [part["name"] for part in document["loading"]] == ["initialize", "plugins.users"]


def test_tables_are_drawn_and_a_plugin_never_reloaded_is_told(api: FakeApi, sysctl: Sysctl) -> None:
    answer(api, timed(1, 6, reloaded=("users", "orders")))
    out = sysctl("plugins", "profile", "users")[1]
    assert "1 reload of users; the last one took orders along" in out
    assert "dispose (after the answer)" in out
    assert "loading g8" in out
    answer(api)
    out = sysctl("plugins", "profile", "users")[1]
    assert "no reload of users is known yet: --reload-time makes one" in out


@pytest.mark.parametrize(("result", "code"), [(timed(5, 1), 0), (REFUSED, 5), (ROLLED_BACK, 6)])
def test_reload_time_reloads_once_and_exits_as_that_went(
    api: FakeApi, sysctl: Sysctl, result: Outcome, code: int
) -> None:
    answer(api, timed(1, 6))
    api.answers["POST /api/plugins/users/reload"] = (200, result.to_json())
    assert sysctl("plugins", "profile", "users", "--json")[0] == 0
    assert api.asked("/api/plugins/users/reload") == []
    found, out, _ = sysctl("plugins", "profile", "users", "--reload-time", "--json")
    assert (found, json.loads(out)["asked"]["id"]) == (code, result.id)
    assert len(api.asked("/api/plugins/users/reload")) == 1
    assert sysctl("plugins", "profile", "users", "--reload-time")[0] == code


def test_without_a_server_it_exits_with_4_without_the_plugin_with_3(
    api: FakeApi, sysctl: Sysctl
) -> None:
    assert sysctl("plugins", "profile", "nobody")[0] == 3
    api.answers.clear()
    api.answers["GET /api/hot-reload/status"] = (200, b"no JSON")
    assert sysctl("plugins", "profile", "users")[0] == 4
