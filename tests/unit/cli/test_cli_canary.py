"""`sysctl plugins reload --canary` and `sysctl plugins canary`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cli_fakes import ROLLED_BACK, FakeApi, outcome

Sysctl = Callable[..., tuple[int, str, str]]

STATUS = {
    "plugin": "users", "plugins": ["users"], "generation": 8, "beside": 7, "percent": 10.0,
    "sticky": True, "requests_needed": 20, "started": 0.0, "seconds": 12.5,
    "new": {"requests": 4, "errors": 1, "rate": 0.25},
    "old": {"requests": 36, "errors": 0, "rate": 0.0},
}  # fmt: skip


def test_a_reload_asks_for_one(api: FakeApi, sysctl: Sysctl) -> None:
    begun = outcome(reloaded=(), deed="given canary g8 beside g7", generation=7).to_json()
    api.answers["POST /api/plugins/users/reload"] = (200, begun)
    code, out, _ = sysctl(
        "plugins", "reload", "users", "--canary", "10%", "--sticky", "--requests", "5"
    )
    assert code == 0
    assert out.startswith("✓ users given canary g8 beside g7")
    asked = next(r for r in api.requests if r.method == "POST")
    assert asked.query == {"canary": "10", "sticky": "true", "requests": "5"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("users", "--canary", "0"),
        ("users", "--canary", "all"),
        ("users", "--sticky"),
        ("--all", "--canary", "5"),
        ("users", "--canary", "5", "--all-instances"),
    ],
)
def test_what_makes_no_sense_is_usage(sysctl: Sysctl, arguments: tuple[str, ...]) -> None:
    assert sysctl("plugins", "reload", *arguments)[0] == 2


def test_it_is_shown(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/plugins/users/canary"] = (200, STATUS)
    code, out, _ = sysctl("plugins", "canary", "users")
    assert code == 0
    assert "users canary g8 beside g7: 10 % of the requests, sticky" in out
    assert "25.0%" in out
    assert json.loads(sysctl("plugins", "canary", "users", "--json")[1]) == STATUS


def test_words_exit_by_what_comes_of_them(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["POST /api/plugins/users/canary/promote"] = (409, ROLLED_BACK.to_json())
    api.answers["POST /api/plugins/users/canary/abort"] = (200, ROLLED_BACK.to_json())
    assert sysctl("plugins", "canary", "users", "promote")[0] == 6
    assert sysctl("plugins", "canary", "users", "abort")[0] == 0


def test_where_there_is_none_it_fails(api: FakeApi, sysctl: Sysctl) -> None:
    answer = {"error": "plugin 'users' has no canary", "hint": "begin one"}
    api.answers["GET /api/plugins/users/canary"] = (409, answer)
    api.answers["POST /api/plugins/users/canary/abort"] = (409, answer)
    for words in (("users",), ("users", "abort")):
        code, _, err = sysctl("plugins", "canary", *words)
        assert code == 1
        assert "has no canary" in err
