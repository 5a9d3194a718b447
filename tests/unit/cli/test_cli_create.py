from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cli_fakes import FakeApi

Sysctl = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("active", "active", "live at http://"),
        ("disabled", "disabled by the operator", "disabled: disabled by the operator\n"),
    ],
)
def test_what_the_running_server_makes_of_it_is_told(
    sysctl: Sysctl, api: FakeApi, status: str, reason: str, told: str
) -> None:
    api.answers["POST /api/plugins/discover"] = (200, {"discovered": ["fresh"], "total": 1})
    api.answers["GET /api/plugins/fresh/status"] = (200, {"status": status, "reason": reason})
    code, out, _ = sysctl("dev", "plugin", "create", "fresh")
    assert code == 0
    assert f"on the running server: {told}" in out


def test_a_server_that_does_not_say_is_no_failure(sysctl: Sysctl, api: FakeApi) -> None:
    api.answers["POST /api/plugins/discover"] = (503, {"error": "not now"})
    code, out, _ = sysctl("dev", "plugin", "create", "fresh", "--json")
    assert (code, json.loads(out)["status"]) == (0, "unknown: not now")
