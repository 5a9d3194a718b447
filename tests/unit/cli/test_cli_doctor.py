"""`sysctl doctor`: every check can fail, and says what to do next."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import RELOAD_STATUS, FakeApi, write_server_file

from devserver.cli.doctor import database, files, machine, serving
from devserver.cli.findings import Finding, Level
from devserver.core.settings import Settings, WatchSettings
from devserver.runtime.project import Project

Sysctl = Callable[..., tuple[int, str, str]]
PLUGIN = """
from devserver.sdk import BasePlugin

class Users(BasePlugin):
    name = "users"
    version = "1.0.0"
"""


def told(found: Iterable[Finding]) -> list[tuple[str, str]]:
    """Check and level of what is not ok; that has a next step."""
    wrong = [f for f in found if f.level is not Level.OK]
    assert all(f.hint for f in wrong)
    return [(f.check, str(f.level)) for f in wrong]


@pytest.fixture
def healthy(project: Path) -> Project:
    """A project that nothing is wrong with."""
    (project / "plugins" / "users").mkdir()
    (project / "plugins" / "users" / "plugin.py").write_text(PLUGIN)
    return Project(project)


def write(project: Project, place: str, text: str) -> None:
    path = project.root / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def use_free_port(project: Project) -> None:
    write(project, "config/main.yaml", "server: {port: 0}\n")


def test_a_healthy_project_has_no_errors(healthy: Project, sysctl: Sysctl) -> None:
    use_free_port(healthy)
    code, out, err = sysctl("doctor", "--json")
    document = json.loads(out)
    assert (code, err, document["ok"], document["errors"]) == (0, "", True, 0)
    checks = {c["check"] for c in document["checks"]}
    assert {"python", "packages", "plugins", "watch", "database", "server", "port"} <= checks


def test_errors_are_drawn_with_the_next_step_and_exit_with_1(
    healthy: Project, sysctl: Sysctl
) -> None:
    use_free_port(healthy)
    write(healthy, "plugins/users/plugin.py", "def x(:\n")
    code, out, _ = sysctl("doctor")
    lines = [line.split() for line in out.splitlines()]
    assert code == 1
    at = next(n for n, line in enumerate(lines) if line[:3] == ["✗", "plugins", "users:"])
    assert lines[at + 1] == ["→", "sysctl", "dev", "plugin", "validate", "users"]
    assert lines[-1][:2] == ["1", "error,"]


def test_a_check_that_cannot_be_made_says_why_once_and_stops_no_other(
    healthy: Project, sysctl: Sysctl
) -> None:
    write(healthy, "config/main.yaml", "server: {port: many}\n")
    code, out, _ = sysctl("doctor", "--json")
    checks = json.loads(out)["checks"]
    (found,) = [c for c in checks if c["level"] == "error"]
    assert (code, found["check"]) == (1, "settings")
    assert found["message"].startswith("config/main.yaml:1:16: server.port")
    assert {"plugins", "watch", "cache"} <= {c["check"] for c in checks}


def test_an_old_python_is_an_error() -> None:
    assert told(machine.python((3, 10, 4))) == [("python", "error")]
    assert told(machine.python((3, 11, 0))) == []


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        ("flask>=99", [("packages", "error")]),
        ("a-package-of-nobody>=1", [("packages", "error")]),
        ("flask>=99; extra == 'prod'", [("packages", "warning")]),
        ("a-package-of-nobody; extra == 'prod'", []),
    ],
)
def test_packages_that_are_missing_or_do_not_fit_are_named(
    monkeypatch: pytest.MonkeyPatch, needed: str, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(machine.metadata, "requires", lambda _: [needed])
    assert told(machine.packages()) == expected


def test_a_product_that_is_not_installed_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine.metadata, "requires", nowhere)
    assert told(machine.packages()) == [("packages", "warning")]


def test_a_python_that_keeps_no_bytecode_is_a_warning() -> None:
    assert told(machine.bytecode({"PYTHONDONTWRITEBYTECODE": "1"})) == [("bytecode", "warning")]
    assert told(machine.bytecode({})) == []


def test_a_full_disk_is_an_error(healthy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(healthy.root)._replace(free=1000)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    assert told(machine.disk(healthy)) == [("disk", "error")]


@pytest.mark.parametrize(
    ("force", "kind", "expected"),
    [
        (True, None, [("watch", "warning")]),
        ("auto", "nfs4", [("watch", "warning")]),
        (False, "nfs4", [("watch", "error")]),
    ],
)
def test_polling_and_file_systems_without_events_are_told(
    healthy: Project, monkeypatch: pytest.MonkeyPatch, force: Any, kind: Any, expected: Any
) -> None:
    monkeypatch.setattr(machine, "mount_without_events", lambda _: kind)
    assert told(machine.watch(healthy, WatchSettings(force_polling=force))) == expected


def test_a_system_that_gives_no_events_is_an_error(
    healthy: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError("OS file watch limit reached. about [/x]")

    monkeypatch.setattr(machine, "FileEvents", refused)
    assert told(machine.watch(healthy, WatchSettings())) == [("watch", "error")]


@pytest.mark.parametrize(("watches", "instances"), [(2, 128), (100_000, 8)])
def test_low_limits_of_inotify_are_a_warning(
    healthy: Project, monkeypatch: pytest.MonkeyPatch, watches: int, instances: int
) -> None:
    limits = healthy.root / "limits"
    limits.mkdir()
    (limits / "max_user_watches").write_text(f"{watches}\n")
    (limits / "max_user_instances").write_text(f"{instances}\n")
    monkeypatch.setattr(machine.inotify, "LIMITS", limits)
    assert told(machine.watch(healthy, WatchSettings())) == [("inotify", "warning")]


def test_what_is_switched_off_is_a_warning(healthy: Project) -> None:
    assert told(files.settings(healthy, Settings())) == []
    assert told(files.settings(healthy, Settings(enabled=False))) == [("settings", "warning")]


@pytest.mark.parametrize(
    ("place", "text", "level"),
    [
        ("config/hot-loading.yaml", "hot_loading: {reloads: {}}\n", "error"),
        ("config/plugins.yaml", "- users\n", "error"),
        ("config/environments.yaml", "development: 3\n", "error"),
        ("validators/own.py", "def (\n", "warning"),
    ],
)
def test_files_of_the_project_that_are_wrong_are_told(
    healthy: Project, place: str, text: str, level: str
) -> None:
    write(healthy, place, text)
    assert told(files.plugins(healthy)) == [("settings", level)]


def test_plugins_that_are_not_there_are_told(healthy: Project) -> None:
    shutil.rmtree(healthy.plugins / "users")
    assert told(files.plugins(healthy)) == [("plugins", "warning")]
    healthy.plugins.rmdir()
    assert told(files.plugins(healthy)) == [("plugins", "error")]


def test_code_that_no_pattern_watches_is_a_warning(healthy: Project) -> None:
    nothing = Settings(watch=WatchSettings(patterns=("config/*.yaml",)))
    assert told(files.patterns(healthy, nothing)) == [("patterns", "warning")]
    assert told(files.patterns(healthy, Settings())) == []


def test_a_cache_that_cannot_be_used_is_a_warning(
    healthy: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = healthy.cache / "code"
    code.mkdir(parents=True)
    code.chmod(0o777)
    assert told(files.cache(healthy)) == [("cache", "warning")]
    code.chmod(0o700)
    assert told(files.cache(healthy)) == []
    shutil.rmtree(healthy.cache)
    healthy.cache.write_text("")
    assert told(files.cache(healthy)) == [("cache", "warning")]


def test_an_instance_folder_that_is_nobody_s_or_everybody_s_is_an_error(
    healthy: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(files.instance(healthy)) == []
    healthy.instance.mkdir()
    assert told(files.instance(healthy)) == []
    healthy.instance.chmod(0o777)
    assert told(files.instance(healthy)) == [("instance", "error")]
    healthy.instance.rmdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert told(files.instance(healthy)) == [("instance", "error")]
    monkeypatch.undo()
    healthy.instance.write_text("")
    assert told(files.instance(healthy)) == [("instance", "error")]


def test_a_database_is_looked_at_and_none_is_made(healthy: Project, sysctl: Sysctl) -> None:
    assert told(database.reachable(healthy)) == []
    assert not healthy.instance.exists()
    healthy.instance.mkdir()
    file = healthy.instance / "devserver.sqlite"
    sqlite3.connect(file).close()
    file.chmod(0o600)
    assert told(database.reachable(healthy)) == [("database", "warning")]  # not brought up to date
    assert sysctl("database", "migrate")[0] == 0
    assert told(database.reachable(healthy)) == []
    file.chmod(0o644)
    assert told(database.reachable(healthy)) == [("database", "warning")]


def test_a_database_that_cannot_be_used_is_an_error(
    healthy: Project, sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    code, out, _ = sysctl("doctor", "--json")
    found = [c for c in json.loads(out)["checks"] if c["check"] == "database"]
    assert (code, [c["level"] for c in found]) == (1, ["error"])
    assert found[0]["hint"]


def test_a_damaged_database_is_an_error(healthy: Project, sysctl: Sysctl) -> None:
    assert sysctl("database", "migrate")[0] == 0
    file = healthy.instance / "devserver.sqlite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    file.write_bytes(content)
    code, out, _ = sysctl("doctor", "--json")
    assert code == 1
    assert "database" in {c["check"] for c in json.loads(out)["checks"] if c["level"] == "error"}


def test_an_applied_migration_that_was_changed_is_an_error(
    healthy: Project, sysctl: Sysctl
) -> None:
    place = "plugins/users/migrations/0001_first.sql"
    write(healthy, place, "CREATE TABLE things (id INTEGER PRIMARY KEY);\n")
    assert sysctl("database", "migrate")[0] == 0
    assert told(database.migrations(healthy)) == []
    write(healthy, place, "CREATE TABLE other (id INTEGER PRIMARY KEY);\n")
    assert ("migrations", "error") in told(database.migrations(healthy))


def test_a_record_of_a_server_is_checked(healthy: Project) -> None:
    use_free_port(healthy)
    assert told(serving.server(healthy)) == []
    write_server_file(healthy.root, pid=2**22 + 1)
    healthy.server_file.chmod(0o600)
    assert told(serving.server(healthy)) == [("server", "warning")]  # left behind
    healthy.server_file.chmod(0o644)
    assert told(serving.server(healthy))[0] == ("server", "error")  # the token is open
    write_server_file(healthy.root)
    healthy.server_file.chmod(0o600)
    assert told(serving.server(healthy)) == [("server", "error")]  # lives, and does not answer
    healthy.server_file.write_text("{")
    assert told(serving.server(healthy)) == [("server", "warning")]


def test_what_the_running_server_says_is_told(healthy: Project, api: FakeApi) -> None:
    healthy.server_file.chmod(0o600)
    row = {"name": "users", "status": "active", "health": {"status": "healthy"}}
    api.answers["GET /api/plugins"] = (200, [row])
    assert told(serving.server(healthy)) == []
    api.answers["GET /api/plugins"] = (
        200,
        [row | {"name": "orders", "status": "failed"}, row | {"health": {"status": "degraded"}}],
    )
    api.answers["GET /api/hot-reload/status"] = (200, RELOAD_STATUS | {"pending": ["users"]})
    assert told(serving.server(healthy)) == [
        ("running", "error"), ("running", "warning"), ("running", "warning"),
    ]  # fmt: skip


def test_a_plugin_that_failed_is_told_once(healthy: Project, api: FakeApi) -> None:
    healthy.server_file.chmod(0o600)
    row = {"name": "users", "status": "failed", "health": {"status": "unhealthy"}}
    api.answers["GET /api/plugins"] = (200, [row])
    api.answers["GET /api/hot-reload/status"] = (200, RELOAD_STATUS | {"pending": ["users"]})
    assert told(serving.server(healthy)) == [("running", "error")]


def test_a_server_that_watches_nothing_is_not_said_to_watch(healthy: Project, api: FakeApi) -> None:
    api.answers["GET /api/plugins"] = (200, [])
    unwatched = RELOAD_STATUS | {"watching": False, "mode": "off"}
    api.answers["GET /api/hot-reload/status"] = (200, unwatched)
    assert list(serving.server(healthy))[-1].message.endswith("active, watching no files")


def test_a_server_of_another_version_is_a_warning(healthy: Project, api: FakeApi) -> None:
    url = f"http://127.0.0.1:{api.port}/"
    write_server_file(healthy.root, port=api.port, url=url, version="0.0.1")
    healthy.server_file.chmod(0o600)
    api.answers["GET /api/plugins"] = (200, [])
    assert told(serving.server(healthy)) == [("server", "warning")]


def test_a_port_that_another_program_has_is_an_error(healthy: Project) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]
        write(healthy, "config/main.yaml", f"server: {{port: {number}}}\n")
        assert told(serving.server(healthy)) == [("port", "error")]


def test_a_host_that_is_no_address_is_not_a_port_in_use(healthy: Project) -> None:
    write(healthy, "config/main.yaml", "server: {host: nowhere.invalid}\n")
    (found,) = [f for f in serving.server(healthy) if f.level is Level.ERROR]
    assert "nowhere.invalid" in found.message
    assert found.hint == "correct server.host in config/main.yaml"


def test_invalid_settings_are_told_once(healthy: Project, sysctl: Sysctl) -> None:
    use_free_port(healthy)
    write(healthy, "config/hot-loading.yaml", "hot_loading: {reloads: {}}\n")
    code, out, _ = sysctl("doctor", "--json")
    assert code == 1
    assert [c["check"] for c in json.loads(out)["checks"] if c["level"] == "error"] == ["settings"]
