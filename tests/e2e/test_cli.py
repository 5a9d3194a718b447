"""The command as a user runs it: a process of its own on a project on disk."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.running import COMMAND, PATIENCE, Running, environment, sysctl

USERS = """
from devserver.sdk import BasePlugin

GREETING = "hello"

class Users(BasePlugin):
    name = "users"
    version = "1.0.0"

    def initialize(self):
        self.register_command("greet", self.greet, "Say hello")
        self.logger.info("users is up")

    def greet(self, name: str = "you", times: int = 1):
        return " ".join([GREETING, name] * times)

    def register_routes(self, app, router):
        @router.get("/hello")
        def hello():
            return {"says": GREETING}

        @router.get("/slow")
        def slow():
            import threading
            threading.Event().wait(60)
            return {}
"""
ORDERS = """
from devserver.sdk import BasePlugin
from plugins.users.plugin import GREETING

class Orders(BasePlugin):
    name = "orders"
    version = "1.0.0"

    def initialize(self):
        return GREETING != "refuse"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two plugins, `orders` on top of `users`."""
    for name, text in (("users", USERS), ("orders", ORDERS)):
        (tmp_path / "plugins" / name).mkdir(parents=True)
        (tmp_path / "plugins" / name / "plugin.py").write_text(text)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Running]]:
    """Starts the dev server of the project and waits until it is ready."""
    running: list[Running] = []

    def start(*words: str) -> Running:
        running.append(Running(folder, *words))
        running[-1].wait_for("ready")
        return running[-1]

    yield start
    for one in running:
        one.close()


def save(folder: Path, old: str, new: str, plugin: str = "users") -> None:
    path = folder / "plugins" / plugin / "plugin.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_way_of_a_working_day(folder: Path, start: Callable[..., Running]) -> None:
    server = start()
    ready = server.wait_for("ready")
    assert (ready["active"], ready["failed"]) == (2, [])
    assert server.wait_for("log", logger="plugins.users")["message"] == "users is up"

    listed = json.loads(sysctl(folder, "plugins", "list", "--json").stdout)
    assert [(row["name"], row["status"]) for row in listed] == [
        ("orders", "active"),
        ("users", "active"),
    ]
    with urlopen(f"{ready['url']}users/hello") as answer:
        assert json.load(answer) == {"says": "hello"}

    save(folder, '"hello"', '"good day"')
    live = server.wait_for("outcome", result="reloaded")
    assert live["reloaded"] == ["users", "orders"]
    with urlopen(f"{ready['url']}users/hello") as answer:
        assert json.load(answer) == {"says": "good day"}

    save(folder, "def greet(", "def greet(:")
    refused = server.wait_for("outcome", result="rejected")
    assert refused["serving"]["users"] == 2
    greeted = sysctl(folder, "plugins", "run", "users", "greet", "name=Ada", "times=2")
    assert (greeted.returncode, greeted.stdout) == (0, "good day Ada good day Ada\n")
    again = sysctl(folder, "plugins", "reload", "users")
    assert again.returncode == 5
    assert "✗ users" in again.stdout
    assert "still serving" in again.stdout

    save(folder, "def greet(:", "def greet(")
    save(folder, '"good day"', '"refuse"')
    server.wait_for("outcome", result="rolled_back")
    rolled_back = sysctl(folder, "plugins", "reload", "users", "--json")
    assert rolled_back.returncode == 6
    assert json.loads(rolled_back.stdout)["rolled_back"] is True

    code, took, err = server.end(signal.SIGINT)
    assert (code, err) == (130, "")
    assert took < 3
    assert not (folder / "instance" / "server.json").exists()


def test_commands_find_the_server_and_say_what_it_says(
    folder: Path, start: Callable[..., Running]
) -> None:
    start()
    for words, shown in (
        (["plugins", "list", "--loaded"], "users"),
        (["plugins", "status"], "operational"),
        (["plugins", "status", "users"], "active"),
        (["plugins", "info", "users"], "/users/hello"),
        (["plugins", "deps", "orders"], "users"),
        (["plugins", "reload", "users"], "✓ users + orders g1→g2"),
        (["plugins", "reload", "--all"], "✓ users + orders g2→g3"),
    ):
        done = sysctl(folder, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert shown in done.stdout
    assert sysctl(folder, "plugins", "info", "nobody").returncode == 3
    unknown = sysctl(folder, "plugins", "run", "users", "fly")
    assert unknown.returncode == 2
    assert "has no command 'fly'; it has: greet" in unknown.stderr
    misfit = sysctl(folder, "plugins", "run", "users", "greet", "times=many")
    assert misfit.returncode == 2
    assert "Traceback" not in misfit.stderr


def test_term_ends_the_server_well(folder: Path, start: Callable[..., Running]) -> None:
    code, took, err = start().end(signal.SIGTERM)
    assert (code, err) == (0, "")
    assert took < 3


def test_a_second_ctrl_c_does_not_wait_for_work_in_flight(
    folder: Path, start: Callable[..., Running]
) -> None:
    server = start()
    address = server.wait_for("ready")["url"].split("//")[1].strip("/").split(":")
    with socket.create_connection((address[0], int(address[1]))) as client:
        client.sendall(b"GET /users/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until_in_flight(folder)
        server.process.send_signal(signal.SIGINT)
        server.wait_for("server", status="stopping; Ctrl-C again ends at once")
        code, took, err = server.end(signal.SIGINT)
    assert (code, err) == (130, "")
    assert took < 3


def until_in_flight(folder: Path) -> None:
    """Returns when a request is inside `users`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        info = json.loads(sysctl(folder, "plugins", "info", "users", "--json").stdout)
        if info["metrics"]["requests"]:
            return
    pytest.fail("the request never arrived")


def test_a_thread_that_a_plugin_left_behind_does_not_keep_the_process(
    folder: Path, start: Callable[..., Running]
) -> None:
    save(
        folder,
        'self.logger.info("users is up")',
        "import threading; threading.Thread(target=threading.Event().wait).start()",
    )
    code, took, err = start().end(signal.SIGTERM)
    assert (code, err) == (0, "")
    assert took < 6


def test_a_second_server_for_the_project_is_refused(
    folder: Path, start: Callable[..., Running]
) -> None:
    server = start()
    second = sysctl(folder, "dev", "server", "--port", "0")
    assert second.returncode == 1
    assert str(server.process.pid) in second.stderr
    assert "hint: " in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = sysctl(folder, "dev", "server", "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_server_is_not_taken_for_a_running_one(
    folder: Path, start: Callable[..., Running]
) -> None:
    server = start()
    server.end(signal.SIGKILL)
    assert (folder / "instance" / "server.json").exists()
    status = sysctl(folder, "plugins", "status")
    assert status.returncode == 4
    assert "dev server" in status.stderr
    assert sysctl(folder, "plugins", "list").returncode == 0
    start()
    assert sysctl(folder, "plugins", "status").returncode == 0


def test_a_broken_plugin_is_told_at_the_start_and_disturbs_no_other(
    folder: Path, start: Callable[..., Running]
) -> None:
    (folder / "plugins" / "torn.py").write_text("def torn(:\n")
    ready = start().wait_for("ready")
    assert ready["active"] == 2
    assert [one["name"] for one in ready["failed"]] == ["torn"]
    assert ready["failed"][0]["diagnostics"][0]["file"] == "plugins/torn.py"


def test_the_kernels_sysctl_is_passed_on_with_its_exit_code(folder: Path) -> None:
    kernel = next((t for t in ("/usr/sbin/sysctl", "/sbin/sysctl") if Path(t).exists()), None)
    if kernel is None:
        pytest.skip("needs procps")
    for words in (["-n", "kernel.ostype"], ["kernel.ostype"], ["no.such.variable"]):
        theirs = subprocess.run([kernel, *words], capture_output=True, text=True, check=False)
        ours = sysctl(folder, *words)
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)


def test_validate_watch_sees_every_save(folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "dev", "plugin", "validate", "--all", "--watch", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        first = json.loads(process.stdout.readline())
        assert (first["plugins"], first["diagnostics"]) == (["orders", "users"], [])
        save(folder, "def greet(", "def greet(:")
        broken = json.loads(process.stdout.readline())
        assert broken["plugins"] == ["orders", "users"]
        assert broken["diagnostics"][0]["severity"] == "error"
        save(folder, "def greet(:", "def greet(")
        assert json.loads(process.stdout.readline())["diagnostics"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == ""


def test_a_plugin_is_followed_and_its_saves_are_live_until_ctrl_c(
    folder: Path, start: Callable[..., Running]
) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "hot-loading.yaml").write_text(
        "hot_loading:\n  reload:\n    automatic: false\n"
    )
    server = start()
    following = subprocess.Popen(
        [*COMMAND, "plugins", "dev", "users", "--watch", "--auto-reload", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert json.loads(following.stdout.readline())["kind"] == "following"
        save(folder, 'GREETING = "hello"', 'GREETING = "hi"')
        heard = (json.loads(line) for line in following.stdout)
        outcome = next(event for event in heard if event["kind"] == "outcome")["payload"]
        assert (outcome["result"], outcome["reloaded"]) == ("reloaded", ["users", "orders"])
        following.send_signal(signal.SIGINT)
        assert (following.wait(PATIENCE), following.stderr.read().strip()) == (130, "")
    server.wait_for("outcome", result="reloaded", plugin="users")
