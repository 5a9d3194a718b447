from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import FakeApi

Sysctl = Callable[..., tuple[int, str, str]]


def instance(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"i{number}", "host": "box", "pid": number, "url": f"http://b:{number}/", **more}


def report(**more: Any) -> dict[str, Any]:
    found = {
        "revision": 7,
        "plugin": "users",
        "action": "reload",
        "policy": "halt",
        "note": "",
        "converged": [instance(1), instance(2)],
        "failed": [],
        "missing": [],
        **more,
    }
    return {"success": not found["failed"] and not found["missing"], **found}


def failure(result: str) -> dict[str, Any]:
    return {"instance": instance(3), "result": result, "message": "it did not start"}


MISSING = {"instance": instance(4), "why": "not heard of for 3 s longer than its lease"}
ROWS = {
    "shared": True,
    "self": "i1",
    "revision": 7,
    "instances": [
        instance(1, live=True, is_self=True, started_at=1.0, lease=9.0, revision=7)
        | {"plugins": {"users": {"status": "active", "generation": 3, "version": "1.0.0"}}},
        instance(2, live=False, is_self=False, started_at=1.0, lease=-20.4, revision=6)
        | {"plugins": {"users": {"status": "disabled", "generation": 0, "version": "1.0.0"}}},
    ],
}


@pytest.mark.parametrize("action", ["enable", "disable", "reload"])
def test_all_instances_are_asked_through_the_running_server(
    api: FakeApi, sysctl: Sysctl, action: str
) -> None:
    api.answers[f"POST /api/plugins/users/{action}"] = (200, report(action=action))
    code, out, err = sysctl("plugins", action, "users", "--all-instances")
    done = {"enable": "enabled", "disable": "disabled", "reload": "reloaded"}[action]
    assert (code, err) == (0, "")
    assert out == f"✓ users {done} on all 2 instances (revision 7)\n"
    (asked,) = api.asked(f"/api/plugins/users/{action}")
    assert asked.query == {"all_instances": "true", "policy": "halt"}


def test_policy_and_force_are_passed_on(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["POST /api/plugins/users/disable"] = (200, report(action="disable"))
    words = ("users", "--all-instances", "--policy", "continue", "--force")
    assert sysctl("plugins", "disable", *words)[0] == 0
    (asked,) = api.asked("/api/plugins/users/disable")
    assert asked.query == {"all_instances": "true", "policy": "continue", "force": "true"}


@pytest.mark.parametrize(
    ("failed", "missing", "code"),
    [
        ([failure("rolled_back")], [], 6),
        ([failure("rejected")], [], 5),
        ([failure("refused")], [], 1),
        ([], [MISSING], 1),
        ([failure("rolled_back")], [MISSING], 6),
        ([failure("rejected"), failure("rolled_back")], [MISSING], 6),
    ],
)
def test_the_exit_code_tells_what_went_wrong(
    api: FakeApi, sysctl: Sysctl, failed: list[Any], missing: list[Any], code: int
) -> None:
    document = report(failed=failed, missing=missing)
    api.answers["POST /api/plugins/users/reload"] = (409, document)
    got, out, _ = sysctl("plugins", "reload", "users", "--all-instances", "--json")
    assert (got, json.loads(out)) == (code, document)


def test_who_has_not_done_it_is_named_with_the_reason(api: FakeApi, sysctl: Sysctl) -> None:
    document = report(failed=[failure("rolled_back")], missing=[MISSING])
    api.answers["POST /api/plugins/users/reload"] = (409, document)
    _, out, _ = sysctl("plugins", "reload", "users", "--all-instances")
    lines = out.splitlines()
    assert lines[0] == "✗ users reloaded on 2 of 4 instances (revision 7)"
    assert lines[1].split() == ["INSTANCE", "URL", "RESULT", "WHY"]
    assert [line.split()[0] for line in lines[2:]] == ["box:1", "box:2", "box:3", "box:4"]
    assert "rolled back  it did not start" in lines[4]
    assert "missing      not heard of for 3 s" in lines[5]


def test_why_it_was_not_waited_for_is_told(api: FakeApi, sysctl: Sysctl) -> None:
    document = report(missing=[MISSING], note="this server is being stopped; the word stands")
    api.answers["POST /api/plugins/users/reload"] = (409, document)
    code, _, err = sysctl("plugins", "reload", "users", "--all-instances")
    assert (code, err) == (1, "note: this server is being stopped; the word stands\n")


def test_without_postgresql_it_is_refused_with_the_hint(api: FakeApi, sysctl: Sysctl) -> None:
    refusal = {"error": "only instances that share a PostgreSQL database", "hint": "give them one"}
    api.answers["POST /api/plugins/users/enable"] = (400, refusal)
    code, _, err = sysctl("plugins", "enable", "users", "--all-instances")
    assert code == 1
    assert err.splitlines() == [f"error: {refusal['error']}", "hint: give them one"]


def test_an_unknown_plugin_is_one_here_too(api: FakeApi, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "enable", "nobody", "--all-instances")[0] == 3


def test_all_instances_needs_a_running_server(project: object, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "disable", "users", "--all-instances")[0] == 4
    assert sysctl("instances")[0] == 4


def test_instances_are_listed(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/instances"] = (200, ROWS)
    code, out, err = sysctl("instances")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["INSTANCE", "URL", "STATE", "REVISION", "PLUGINS"]
    assert lines[1].split() == ["box:1", "(this)", "http://b:1/", "live", "7", "users", "g3"]
    assert lines[2].split() == [
        "box:2", "http://b:2/", "gone", "20", "s", "6", "users", "disabled",
    ]  # fmt: skip
    code, out, _ = sysctl("instances", "--json")
    assert (code, json.loads(out)) == (0, ROWS)


def test_versions_are_shown_where_live_instances_differ(api: FakeApi, sysctl: Sysctl) -> None:
    older, newer = (
        {"plugins": {n: {"status": "active", "generation": 2, "version": v} for n in names}}
        for names, v in ((("users", "clock"), "1.0"), (("users",), "1.1"))
    )
    more: dict[str, Any] = {"started_at": 1.0, "lease": 9.0, "revision": 7, "live": True}
    rows = [instance(1, is_self=True, **more) | older, instance(2, is_self=False, **more) | newer]
    api.answers["GET /api/instances"] = (200, {**ROWS, "instances": rows})
    lines = sysctl("instances")[1].splitlines()
    assert lines[1].endswith("users 1.0 g2, clock g2")
    assert lines[2].endswith("users 1.1 g2")


def test_a_server_without_a_group_says_so(api: FakeApi, sysctl: Sysctl) -> None:
    alone = {"shared": False, "self": None, "revision": 0, "instances": []}
    api.answers["GET /api/instances"] = (200, alone)
    code, out, err = sysctl("instances")
    assert (code, out) == (0, "")
    assert "PostgreSQL" in err


def test_watch_shows_them_again_when_they_change(
    api: FakeApi, sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([ROWS, _with_lease(ROWS, 8.0), ROWS | {"instances": ROWS["instances"][:1]}])

    def look(_client: object, _path: str) -> Any:
        try:
            return next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("devserver.cli.client.ServerClient.read", look)
    monkeypatch.setattr("devserver.cli.instances._LOOK", 0.0)
    code, out, _ = sysctl("instances", "--watch", "--json")
    assert code == 130
    assert [len(json.loads(line)["instances"]) for line in out.splitlines()] == [2, 1]


def _with_lease(document: dict[str, Any], lease: float) -> dict[str, Any]:
    rows = [row | {"lease": lease} for row in document["instances"]]
    return document | {"instances": rows}
