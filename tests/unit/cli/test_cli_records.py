"""`sysctl plugins logs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import FakeApi

from devserver.cli import records as module

Sysctl = Callable[..., tuple[int, str, str]]


def record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "plugin": "users",
        "time": 1_700_000_000.25,
        "level": "WARNING",
        "logger": "plugins.users",
        "message": f"message {number}",
        "traceback": None,
        **more,
    }


def answer(api: FakeApi, *found: dict[str, Any]) -> None:
    api.answers["GET /api/logs"] = (200, list(found))
    api.answers["GET /api/plugins"] = (200, [{"name": "users"}, {"name": "my-orders"}])


def test_records_are_shown_oldest_first_with_their_tracebacks(api: FakeApi, sysctl: Sysctl) -> None:
    answer(api, record(2, traceback="  frame\nValueError: x\x1b[2J"), record(1, message="a\nb"))
    code, out, _ = sysctl("plugins", "logs", "--lines", "7")
    assert code == 0
    assert [line.partition(" ")[2] for line in out.splitlines()] == [
        "warning  users  a",
        " b",
        "warning  users  message 2",
        "   frame",
        " ValueError: x\\x1b[2J",
    ]
    assert api.asked("/api/logs")[0].query == {"limit": "7"}
    assert [r["id"] for r in json.loads(sysctl("plugins", "logs", "--json")[1])] == [1, 2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("error",), {"level": "error"}),
        (("Warning", "users"), {"level": "warning", "plugin": "users"}),
        (("my_orders",), {"plugin": "my_orders"}),
        (("timeout",), {"text": "timeout"}),
        (("text=users", "plugin=x", "level=info"), {"text": "users", "plugin": "x",
                                                    "level": "info"}),
        (("a=b",), {"text": "a=b"}),
    ],
)  # fmt: skip
def test_a_filter_is_a_level_a_plugin_or_text(
    api: FakeApi, sysctl: Sysctl, filters: tuple[str, ...], expected: dict[str, str]
) -> None:
    answer(api)
    words = [word for one in filters for word in ("--filter", one)]
    assert sysctl("plugins", "logs", *words)[0] == 0
    assert api.asked("/api/logs")[0].query == {"limit": "50"} | expected


def test_that_nothing_fits_is_said(api: FakeApi, sysctl: Sysctl) -> None:
    answer(api)
    told = (0, "", "no record that is kept fits\n")
    assert sysctl("plugins", "logs", "--filter", "plugin=nobody") == told
    assert sysctl("plugins", "logs", "--filter", "plugin=nobody", "--json")[2] == ""


def test_filters_that_contradict_each_other_are_a_mistake(api: FakeApi, sysctl: Sysctl) -> None:
    answer(api)
    code, _, err = sysctl("plugins", "logs", "--filter", "info", "--filter", "error")
    assert (code, "two filters are a level" in err) == (2, True)
    assert sysctl("plugins", "logs", "--filter", "level=loud")[0] == 2


def test_follow_goes_on_from_the_last_one_as_ndjson(
    api: FakeApi, sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(api, record(7))
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt
        answer(api, *([record(9), record(8)] if len(looks) == 1 else []))

    monkeypatch.setattr(module.time, "sleep", pause)
    code, out, _ = sysctl("plugins", "logs", "--follow", "--filter", "users", "--json")
    assert code == 130
    assert [json.loads(line)["id"] for line in out.splitlines()] == [7, 8, 9]
    asked = [request.query for request in api.asked("/api/logs")]
    assert [query.get("after") for query in asked] == [None, "7", "9"]
    assert {query["plugin"] for query in asked} == {"users"}


def test_without_a_server_it_exits_with_4(sysctl: Sysctl) -> None:
    code, _, err = sysctl("plugins", "logs")
    assert (code, "dev server" in err) == (4, True)
