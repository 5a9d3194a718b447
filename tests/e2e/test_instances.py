"""A group of real servers, each with its own copy of the project, over one PostgreSQL database."""

from __future__ import annotations

import io
import json
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.group import ORDERS, USERS, Background, Server, ask, pids
from tests.e2e.running import Running, fetch, sysctl
from tests.integration.cluster.proxy import Proxy
from tests.integration.lab import wait_for
from tests.integration.store.conftest import execute, postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

VARIABLE = "SYSCTL_DATABASE_URL"
Start = Callable[..., list[Server]]


@pytest.fixture
def start(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts servers and waits until they are members of the group."""
    template = tmp_path / "template"
    for name, text in (("users", USERS), ("orders", ORDERS)):
        (template / "plugins" / name).mkdir(parents=True)
        (template / "plugins" / name / "plugin.py").write_text(text)
    started: list[Server] = []

    def begin(count: int, url: str = postgres_url) -> list[Server]:
        monkeypatch.setenv(VARIABLE, url)
        new = []
        for _ in range(count):
            folder = tmp_path / f"server{len(started)}"
            shutil.copytree(template, folder)
            new.append(Server(folder))
            started.append(new[-1])
        for server in new:
            server.wait()
        monkeypatch.setenv(VARIABLE, postgres_url)
        return new

    yield begin
    for server in started:
        server.running.close()


def test_four_servers_converge(start: Start) -> None:
    group = start(4)
    everybody = sorted(s.pid for s in group)

    code, report = ask(group[2], "disable", "users")
    assert (code, report["success"], pids(report["converged"])) == (0, True, everybody)
    assert [s.status("users") for s in group] == ["disabled"] * 4

    code, report = ask(group[0], "enable", "users")
    assert (code, pids(report["converged"])) == (0, everybody)
    assert [s.status("users") for s in group] == ["active"] * 4
    before = [s.generation("users") for s in group]

    shown = sysctl(group[1].folder, "plugins", "reload", "users", "--all-instances")
    assert shown.returncode == 0
    assert "users reloaded on all 4 instances (revision 3)" in shown.stdout
    assert [s.generation("users") for s in group] == [n + 1 for n in before]

    listed = sysctl(group[3].folder, "instances")
    assert listed.returncode == 0
    assert f":{group[3].pid} (this)" in listed.stdout
    wait_for(lambda: _all_show(group[0], "users", before[0] + 1), "the others' generations")
    document = json.loads(sysctl(group[0].folder, "instances", "--json").stdout)
    assert [row["revision"] for row in document["instances"]] == [3] * 4
    assert sorted(row["pid"] for row in document["instances"]) == everybody

    shown = sysctl(group[1].folder, "plugins", "config", "users", "set", "limit", "7")
    assert (shown.returncode, "take it too" in shown.stdout) == (0, True)
    path = "/plugins/config?plugin=users"
    for server in group:
        wait_for(lambda s=server: fetch(s.url, path)["config"] == {"limit": 7}, "the value")


def _all_show(server: Server, plugin: str, generation: int) -> bool:
    rows = fetch(server.url, "/api/instances")["instances"]
    return {row["plugins"][plugin]["generation"] for row in rows} == {generation}


def test_one_that_is_killed_in_the_middle_is_named(start: Start) -> None:
    group = start(4)
    (group[3].folder / "hold").touch()
    asked = Background(group[0], "reload", "users")
    wait_for((group[3].folder / "entered").exists, "it is in the middle")
    group[3].running.end(signal.SIGKILL)
    code, report = asked.result()
    assert code == 1
    assert pids(report["converged"]) == sorted(s.pid for s in group[:3])
    assert pids(report["missing"]) == [group[3].pid]
    assert "it was killed" in report["missing"][0]["why"]
    code, report = ask(group[1], "disable", "users")
    assert (code, pids(report["converged"])) == (0, sorted(s.pid for s in group[:3]))


def test_the_first_one_killed_in_the_middle_leaves_nobody_waiting(start: Start) -> None:
    group = start(3)
    (group[0].folder / "hold").touch()
    asked = Background(group[0], "reload", "users")
    wait_for((group[0].folder / "entered").exists, "it is in the middle")
    assert [s.shown()["revision"] for s in group[1:]] == [0, 0]
    group[0].running.end(signal.SIGKILL)
    wait_for(lambda: [s.shown()["revision"] for s in group[1:]] == [1, 1], "the others go on", 40)
    assert [s.generation("users") for s in group[1:]] == [2, 2]
    assert asked.code() != 0


def test_one_whose_reload_fails_is_named_and_the_others_go_on_or_not(start: Start) -> None:
    group = start(4)
    (group[1].folder / "refuse").touch()

    code, report = ask(group[1], "reload", "users")
    assert code == 6
    assert pids(report["failed"]) == [group[1].pid]
    assert "initialize" in report["failed"][0]["message"]
    assert pids(report["missing"]) == sorted(s.pid for n, s in enumerate(group) if n != 1)
    assert [s.generation("users") for s in group] == [1] * 4

    code, report = ask(group[1], "reload", "users", "--policy", "continue")
    assert code == 6
    assert pids(report["failed"]) == [group[1].pid]
    assert pids(report["converged"]) == sorted(s.pid for n, s in enumerate(group) if n != 1)
    assert [s.generation("users") for s in group] == [2, 1, 2, 2]
    assert fetch(group[1].url, "/users/hello") == {"says": "hello"}

    told = sysctl(group[1].folder, "plugins", "reload", "users", "--all-instances")
    assert told.returncode == 6
    assert "users reloaded on 0 of 4 instances" in told.stdout
    assert "rolled back" in told.stdout


def test_a_cut_connection_heals(start: Start, postgres_url: str, postgres_server: str) -> None:
    proxy = Proxy(postgres_url)
    try:
        near = start(2)
        (far,) = start(1, proxy.url)
        proxy.cut()
        code, report = ask(near[0], "disable", "users")
        assert (code, pids(report["missing"])) == (1, [far.pid])
        assert pids(report["converged"]) == sorted(s.pid for s in near)
        assert fetch(far.url, "/users/hello") == {"says": "hello"}
        proxy.heal()
        wait_for(lambda: far.status("users") == "disabled", "it catches up")
        wait_for(lambda: far.shown().get("revision") == 1, "it is a member again")

        _end_connections(postgres_server, postgres_url)
        code, report = ask(near[1], "enable", "users")
        assert (code, len(report["converged"])) == (0, 3)
    finally:
        proxy.close()


def _end_connections(server: str, url: str) -> None:
    execute(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{url.rpartition('/')[2]}'",
    )


def test_a_server_that_joins_begins_with_what_is_wanted(start: Start) -> None:
    group = start(2)
    assert ask(group[0], "disable", "users")[0] == 0
    (new,) = start(1)
    wait_for(lambda: new.shown()["revision"] == 1, "it has come to the group's revision")
    assert (new.status("users"), new.status("orders")) == ("disabled", "active")
    code, report = ask(new, "enable", "users")
    assert (code, len(report["converged"])) == (0, 3)
    assert new.running.end(signal.SIGINT)[0] == 130
    code, report = ask(group[0], "reload", "users")
    assert (code, len(report["converged"])) == (0, 2)


def test_a_package_goes_to_all_instances_through_the_database(start: Start, tmp_path: Path) -> None:
    group = start(3)
    file = tmp_path / "mail.zip"
    file.write_bytes(zipped("mail/plugin.py", ORDERS.replace("orders", "mail")))
    words = ("plugins", "install", str(file), "--yes", "--all-instances")
    done = sysctl(group[1].folder, *words)
    assert done.returncode == 0, done.stderr
    assert "mail installed on all 3 instances" in done.stdout
    assert [s.status("mail") for s in group] == ["active"] * 3
    assert all((s.folder / "plugins" / "mail" / "plugin.py").exists() for s in group)

    file.write_bytes(zipped("mail/../../plugin.py", ORDERS))
    refused = sysctl(group[1].folder, *words)
    assert refused.returncode == 5
    assert "PKG" in refused.stderr + refused.stdout

    newer = ORDERS.replace("orders", "mail").replace("1.0.0", "1.1.0")
    failing = newer + "\n    def initialize(self):\n        return False\n"
    file.write_bytes(zipped("mail/plugin.py", failing))
    code = sysctl(group[0].folder, *words, "--json")
    report = json.loads(code.stdout)
    assert code.returncode == 6
    assert not report["success"]
    # It failed where it was tried first, and nobody else has it.
    assert len(report["failed"]) == 1
    assert len(report["missing"]) == 2
    assert [s.status("mail") for s in group] == ["active"] * 3
    assert all("1.0.0" in (s.folder / "plugins/mail/plugin.py").read_text() for s in group)

    file.write_bytes(zipped("mail/plugin.py", newer))
    (group[2].folder / "plugins" / "mail" / "notes.txt").write_text("mine")
    edited = sysctl(group[0].folder, *words, "--policy", "continue", "--json")
    assert [f["result"] for f in json.loads(edited.stdout)["failed"]] == ["rejected"]
    forced = sysctl(group[0].folder, *words, "--force")
    assert (forced.returncode, forced.stderr) == (0, "")
    assert all("1.1.0" in (s.folder / "plugins/mail/plugin.py").read_text() for s in group)


def zipped(name: str, text: str) -> bytes:
    """A ZIP file with one entry."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, text)
    return file.getvalue()


def test_words_from_two_terminals_at_once_end_the_same_everywhere(start: Start) -> None:
    group = start(3)
    asked = [Background(group[n % 3], "reload" if n % 2 else "enable", "users") for n in range(6)]
    assert [a.result()[0] for a in asked] == [0] * 6
    assert {s.generation("users") for s in group} == {4}
    assert [s.shown()["revision"] for s in group] == [6] * 3


def test_without_postgresql_there_is_no_group(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "users").mkdir(parents=True)
    (tmp_path / "plugins" / "users" / "plugin.py").write_text(USERS)
    server = Running(tmp_path)
    try:
        server.wait_for("ready")
        refused = sysctl(tmp_path, "plugins", "disable", "users", "--all-instances")
        assert refused.returncode == 1
        assert "share a PostgreSQL database" in refused.stderr
        assert "hint: give all of them the same `database.url`" in refused.stderr
        listed = sysctl(tmp_path, "instances", "--json")
        assert (listed.returncode, json.loads(listed.stdout)["shared"]) == (0, False)
    finally:
        server.close()
