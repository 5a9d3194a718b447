"""`plugins dev` and `plugins load --watch` stay with a plugin of a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import COMPANY, REFUSED, FakeApi

Sysctl = Callable[..., tuple[int, str, str]]
FOLLOW = "/api/plugins/users/follow"
BEGUN = {
    "plugin": "users", "status": "active", "generation": 7, "pending": False, "reason": "active",
    "watching": True, "automatic": True,
}  # fmt: skip
STATUS = {"name": "users", "status": "active", "generation": 7, "pending": False}
LOADED = {"message": "Plugin users loaded successfully", "routes_affected": 3, "kept": True}


def stream(*events: tuple[str, dict[str, Any]]) -> bytes:
    """The body of an event stream that has ended."""
    blocks = [
        f"id: {n}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
        for n, (kind, data) in enumerate(events, 1)
    ]
    return "retry: 1000\n{}: heartbeat\n\n{}".format(blocks[0], "".join(blocks[1:])).encode()


@pytest.fixture
def users(api: FakeApi) -> FakeApi:
    api.answers["GET /api/plugins/users/status"] = (200, STATUS)
    api.answers["POST /api/plugins/users/load"] = (200, LOADED)
    notice = {"level": "info", "message": "back", "hint": None, "plugin": "users"}
    told = (("following", BEGUN), ("outcome", COMPANY.to_json()), ("notice", notice))
    api.answers[f"POST {FOLLOW}"] = (200, stream(*told))
    return api


def test_what_happens_is_shown_as_the_server_shows_it_until_that_ends(
    users: FakeApi, sysctl: Sysctl
) -> None:
    code, out, err = sysctl("plugins", "dev", "users", "--watch")
    lines = out.splitlines()
    assert code == 4
    assert err.startswith("error: no dev server is running")
    assert lines[0] == "users is active already (g7)"
    assert "server following users (g7) and what depends on it, until Ctrl-C" in lines[1]
    assert "reload ok plugin=users generation=7->8" in lines[2]
    assert "notice info plugin=users message=back" in lines[-1]
    assert users.asked(FOLLOW)[0].query == {"auto_reload": "false"}
    assert users.asked("/api/plugins/users/load") == []


@pytest.mark.parametrize("words", [["load", "users", "--watch"], ["dev", "users", "--auto-reload"]])
def test_with_json_each_line_is_a_document(
    users: FakeApi, sysctl: Sysctl, words: list[str]
) -> None:
    users.answers["GET /api/plugins/users/status"] = (200, STATUS | {"status": "registered"})
    code, out, _ = sysctl("plugins", *words, "--json")
    *events, failure = [json.loads(line) for line in out.splitlines()]
    assert (code, set(failure)) == (4, {"error", "hint"})
    assert [e["kind"] for e in events] == ["answer", "following", "outcome", "notice"]
    assert events[0]["payload"] == LOADED
    assert events[2]["payload"] == COMPANY.to_json()
    auto = "true" if "--auto-reload" in words else "false"
    assert users.asked(FOLLOW)[0].query == {"auto_reload": auto}


def test_without_watch_it_loads_and_ends(users: FakeApi, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "dev", "users") == (0, "users is active already (g7)\n", "")
    assert json.loads(sysctl("plugins", "dev", "users", "--json")[1]) == STATUS
    users.answers["GET /api/plugins/users/status"] = (200, STATUS | {"status": "disabled"})
    code, out, _ = sysctl("plugins", "dev", "users")
    assert (code, out) == (0, f"{LOADED['message']}, routes affected: 3\n")
    assert users.asked(FOLLOW) == []


def test_options_of_a_server_are_not_ignored_in_silence(users: FakeApi, sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "dev", "users", "--port", "9000")
    assert (code, out) == (0, "users is active already (g7)\n")
    assert err.startswith(f"warning: http://127.0.0.1:{users.port}/ runs already")


def test_one_that_is_out_of_service_and_is_refused_is_not_followed(
    users: FakeApi, sysctl: Sysctl
) -> None:
    users.answers["GET /api/plugins/users/status"] = (200, STATUS | {"status": "disabled"})
    users.answers["POST /api/plugins/users/load"] = (422, REFUSED.to_json())
    assert sysctl("plugins", "load", "users", "--watch")[0] == 5
    assert users.asked(FOLLOW) == []
    failed = STATUS | {"status": "failed", "generation": 0}
    users.answers["GET /api/plugins/users/status"] = (200, failed)
    assert sysctl("plugins", "dev", "users", "--watch")[0] == 4
    assert len(users.asked(FOLLOW)) == 1


def test_what_is_pending_is_reloaded_first(users: FakeApi, sysctl: Sysctl) -> None:
    users.answers["GET /api/plugins/users/status"] = (200, STATUS | {"pending": True})
    users.answers["POST /api/plugins/users/reload"] = (200, COMPANY.to_json())
    out = sysctl("plugins", "dev", "users", "--auto-reload")[1]
    assert "✓ users + orders, billing g7→g8" in out
    sysctl("plugins", "dev", "users", "--watch")
    assert len(users.asked("/api/plugins/users/reload")) == 1


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"watching": False}, "warning: this server does not watch files"),
        ({"automatic": False}, "warning: reload.automatic is false"),
    ],
)
def test_what_stands_between_a_save_and_the_plugin_is_said(
    users: FakeApi, sysctl: Sysctl, about: dict[str, bool], told: str
) -> None:
    users.answers[f"POST {FOLLOW}"] = (200, stream(("following", BEGUN | about)))
    err = sysctl("plugins", "dev", "users", "--watch")[2]
    assert told in err
    assert "hint: `sysctl plugins reload users` makes it live; " in err


def test_development_mode_is_turned_on_for_the_run_where_it_is_off(
    users: FakeApi, sysctl: Sysctl
) -> None:
    path = "/api/hot-reload/settings"
    users.answers[f"POST {path}"] = (200, {})
    users.answers[f"GET {path}"] = (200, {"settings": {"development_mode": True}})
    assert sysctl("plugins", "load", "users", "--dev-mode")[2] == ""
    users.answers[f"GET {path}"] = (200, {"settings": {"development_mode": False}})
    code, _, err = sysctl("plugins", "load", "users", "--dev-mode")
    assert (code, err) == (0, "development mode is on until the server stops\n")
    assert [r.body for r in users.asked(path) if r.method == "POST"] == [{"development_mode": True}]


def test_a_mistyped_name_turns_development_mode_on_for_nobody(
    users: FakeApi, sysctl: Sysctl
) -> None:
    path = "/api/hot-reload/settings"
    users.answers[f"GET {path}"] = (200, {"settings": {"development_mode": False}})
    assert sysctl("plugins", "load", "uers", "--dev-mode")[0] == 3
    assert users.asked(path) == []


def test_an_interruption_ends_it(
    users: FakeApi, sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("devserver.cli.following.follow", interrupt)
    assert sysctl("plugins", "dev", "users", "--watch")[0] == 130


def test_an_unknown_plugin_exits_with_3(api: FakeApi, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "dev", "nobody", "--watch")[0] == 3
    assert sysctl("plugins", "load", "nobody", "--watch")[0] == 3
