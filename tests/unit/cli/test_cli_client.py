from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_fakes import REFUSED, ROLLED_BACK, FakeApi, outcome, write_server_file

from devserver.cli.client import ServerClient
from devserver.cli.failures import ExitCode, RequestFailed, ServerNotRunning, exit_code_of
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.runtime.project import Project


def get(project: Path) -> ServerClient:
    return ServerClient.get(Project(project))


def test_requests_carry_the_runs_token_and_the_hosts_own_name(project: Path, api: FakeApi) -> None:
    api.answers["GET /api/plugins"] = (200, [])
    assert get(project).read("/api/plugins") == []
    headers = api.asked("/api/plugins")[0].headers
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Host"] == f"127.0.0.1:{api.port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "", "127.0.0.1"])
def test_a_server_on_every_address_is_reached_over_loopback(
    project: Path, api: FakeApi, host: str
) -> None:
    write_server_file(project, host=host, port=api.port)
    assert ServerClient.find(Project(project)) is not None


def test_without_a_file_there_is_no_server(project: Path) -> None:
    assert ServerClient.find(Project(project)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"pid": "x"}', '{"pid": 1, "host": "h"}'])
def test_a_damaged_file_is_no_server(project: Path, text: str) -> None:
    write_server_file(project)
    (project / "instance" / "server.json").write_text(text)
    assert ServerClient.find(Project(project)) is None


def test_a_file_of_a_dead_process_is_no_server(project: Path, api: FakeApi) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_server_file(project, pid=gone.pid, port=api.port)
    assert ServerClient.find(Project(project)) is None
    assert api.requests == []


@pytest.mark.parametrize("pid", [0, -1, 2**70])
def test_an_impossible_process_is_no_server(project: Path, api: FakeApi, pid: int) -> None:
    write_server_file(project, pid=pid, port=api.port)
    assert ServerClient.find(Project(project)) is None


def test_a_port_that_refuses_is_no_server(project: Path) -> None:
    write_server_file(project, port=1)
    assert ServerClient.find(Project(project)) is None
    with pytest.raises(ServerNotRunning) as raised:
        get(project)
    assert exit_code_of(raised.value) is ExitCode.NO_SERVER
    assert str(raised.value.hint).startswith("start it in another terminal: `sysctl dev server`")


def test_another_users_file_is_told_as_such(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DevServerError, match="another user's server"):
        get(project)


@pytest.mark.parametrize(("status", "sent"), [(200, outcome()), (422, REFUSED), (409, ROLLED_BACK)])
def test_a_reload_gives_its_outcome_whichever_it_is(
    project: Path, api: FakeApi, status: int, sent: object
) -> None:
    document = sent.to_json()  # type: ignore[attr-defined]
    api.answers["POST /api/plugins/users/reload"] = (status, document)
    assert get(project).reload("users") == document


def test_options_are_query_parameters(project: Path, api: FakeApi) -> None:
    api.answers["POST /api/plugins/users/reload"] = (200, outcome().to_json())
    get(project).reload("users", {"force": "true"})
    get(project).reload("users")
    assert [r.query for r in api.asked("/api/plugins/users/reload")] == [{"force": "true"}, {}]


def test_an_unknown_plugin_is_told_apart_from_other_things_not_found(
    project: Path, api: FakeApi
) -> None:
    path = "POST /api/plugins/users/commands/fly"
    api.answers[path] = (404, {"error": "no command 'fly'", "hint": "its commands: walk"})
    with pytest.raises(RequestFailed) as failed:
        get(project).run_command("users", "fly", {})
    assert (failed.value.message, failed.value.hint) == ("no command 'fly'", "its commands: walk")
    with pytest.raises(PluginNotFound) as unknown:
        get(project).run_command("nobody", "fly", {})
    assert exit_code_of(unknown.value) is ExitCode.NO_SUCH_PLUGIN


@pytest.mark.parametrize("name", ["../..", "a/b", "a b", "x?y=1", ""])
def test_what_can_be_no_name_is_never_sent(project: Path, api: FakeApi, name: str) -> None:
    with pytest.raises(PluginNotFound):
        get(project).of_plugin(name, "info")
    assert [r.path for r in api.requests] == ["/api/hot-reload/status"]


@pytest.mark.parametrize("answer", [(200, b"<html>"), (500, b"oops"), (502, {"detail": "x"})])
def test_a_stranger_on_the_port_is_named(
    project: Path, api: FakeApi, answer: tuple[int, object]
) -> None:
    api.answers["GET /api/plugins"] = answer
    with pytest.raises(RequestFailed, match="not this project's dev server"):
        get(project).read("/api/plugins")


def test_a_refused_token_says_where_the_right_one_is(project: Path, api: FakeApi) -> None:
    api.answers["GET /api/plugins"] = (401, {"error": "a token is needed"})
    with pytest.raises(RequestFailed) as raised:
        get(project).read("/api/plugins")
    assert str(project / "instance" / "server.json") in str(raised.value.hint)


def test_a_server_that_goes_away_in_between_counts_as_none(
    project: Path, api: FakeApi, sysctl: Callable[..., tuple[int, str, str]]
) -> None:
    client = get(project)
    write_server_file(project, port=1)
    client._address = ("127.0.0.1", 1)
    with pytest.raises(ServerNotRunning):
        client.read("/api/plugins")
