from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cli_fakes import ERROR, WARNING, FakeServer, outcome

from devserver.core.errors import DevServerError
from devserver.core.lifecycle import PluginStatus
from devserver.core.settings import Settings
from devserver.reload.followers import Followers
from devserver.runtime.registry import PluginRecord

Sysctl = Callable[..., tuple[int, str, str]]


class Assembly:
    """Stands for devserver.assembly; `script` is what happens once the server is ready."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self.server = FakeServer()
        self.script: Callable[[FakeServer], object] = lambda server: None

    def DevServer(self, project: Any, **arguments: Any) -> FakeServer:
        self.arguments = {"root": project.root, **arguments}
        self.server.project = project  # type: ignore[attr-defined]
        thread = threading.Thread(target=self._play)
        wait = self.server.wait

        def wait_and_play() -> None:
            thread.start()
            wait()
            thread.join()

        self.server.wait = wait_and_play  # type: ignore[method-assign]
        return self.server

    def _play(self) -> None:
        try:
            self.script(self.server)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def assembly(monkeypatch: pytest.MonkeyPatch) -> Assembly:
    fake = Assembly()
    module = ModuleType("devserver.assembly")
    module.DevServer = fake.DevServer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "devserver.assembly", module)
    return fake


def test_host_and_port_that_are_not_given_are_left_to_the_project(
    sysctl: Sysctl, assembly: Assembly, project: Any
) -> None:
    assert sysctl("dev", "server")[0] == 0
    assert assembly.arguments == {
        "root": project,
        "host": None,
        "port": None,
        "hot_reload": True,
        "require_token": False,
        "open_browser": False,
    }


def test_options_reach_the_server(sysctl: Sysctl, assembly: Assembly) -> None:
    words = "--host ::1 --port 0 --no-hot-reload --open --require-token"
    assert sysctl("dev", "server", *words.split())[0] == 0
    del assembly.arguments["root"]
    assert assembly.arguments == {
        "host": "::1",
        "port": 0,
        "hot_reload": False,
        "require_token": True,
        "open_browser": True,
    }


@pytest.mark.parametrize(
    ("words", "watches"),
    [
        ("start", False),
        ("--dev-mode start", True),
        ("start --dev-mode", True),
    ],
)
def test_start_watches_in_development_mode_alone(
    sysctl: Sysctl, assembly: Assembly, words: str, watches: bool
) -> None:
    code, out, _ = sysctl(*words.split(), "--port", "0", "--host", "::1", "--open")
    assert (code, "server ready url=http://127.0.0.1:8080/" in out) == (0, True)
    del assembly.arguments["root"]
    assert assembly.arguments == {
        "host": "::1",
        "port": 0,
        "hot_reload": watches,
        "require_token": False,
        "open_browser": True,
    }


@pytest.mark.parametrize("words", ["--dev-mode", "--dev-mode plugins list"])
def test_development_mode_is_for_start_alone(sysctl: Sysctl, words: str) -> None:
    code, out, err = sysctl(*words.split())
    assert (code, out) == (2, "")
    assert "error: --dev-mode is for `start`" in err


class Control:
    """Loads a plugin unless a test says otherwise."""

    def __init__(self) -> None:
        self.followers = Followers()
        self.loaded: list[str] = []
        self.on_load: Callable[[str], object] = self.loaded.append

    def load(self, name: str) -> None:
        self.on_load(name)


def test_without_a_server_to_develop_on_one_is_run(
    sysctl: Sysctl, assembly: Assembly, project: Any
) -> None:
    (project / "plugins" / "my_users.py").touch()
    control = Control()
    assembly.server.plugins = SimpleNamespace(control=control)  # type: ignore[attr-defined]
    code, out, err = sysctl("plugins", "dev", "my-users", "--auto-reload", "--port", "0")
    assert (code, err) == (0, "no dev server is running: this is one, until Ctrl-C\n")
    assert "server ready url=" in out
    assert (assembly.arguments["port"], assembly.arguments["hot_reload"]) == (0, True)
    assert (control.loaded, "my_users" in control.followers) == (["my-users"], True)


def test_a_plugin_that_cannot_be_loaded_does_not_end_the_server_that_was_run_for_it(
    sysctl: Sysctl, assembly: Assembly, project: Any
) -> None:
    def refuse(_name: str) -> None:
        raise DevServerError("not now", hint="later")

    (project / "plugins" / "users.py").touch()
    control = Control()
    control.on_load = refuse
    assembly.server.plugins = SimpleNamespace(control=control)  # type: ignore[attr-defined]
    code, out, err = sysctl("plugins", "dev", "users")
    assert (code, "server stopped" in out, "error: not now\nhint: later\n" in err) == (
        0,
        True,
        True,
    )
    assert "users" not in control.followers


def test_no_server_is_run_for_a_plugin_that_is_not_there(
    sysctl: Sysctl, assembly: Assembly
) -> None:
    code, _, err = sysctl("plugins", "dev", "nobody")
    assert (code, "no plugin named 'nobody'" in err) == (3, True)
    assert assembly.server.calls == []


def records(out: str) -> list[str]:
    """Plain records without their times."""
    return [line.split(" ", 1)[1] for line in out.splitlines()]


def test_away_from_a_terminal_the_output_is_plain_records(
    sysctl: Sysctl, assembly: Assembly
) -> None:
    def script(server: FakeServer) -> None:
        server.journal.record(outcome())
        logging.getLogger("plugins.users").info("hello")

    assembly.script = script
    code, out, err = sysctl("dev", "server")
    ready, reload, log, stopping, stopped = records(out)
    assert (code, err) == (0, "")
    assert ready.startswith("server ready url=http://127.0.0.1:8080/ mode=native active=0 failed=0")
    assert reload.startswith("reload ok plugin=users generation=7->8")
    assert log == "log info logger=plugins.users message=hello"
    assert (stopping, stopped) == ("server stopping; Ctrl-C again ends at once", "server stopped")


@pytest.mark.parametrize("words", [["--json"], ["--log-format", "json"]])
def test_json_is_one_event_a_line(sysctl: Sysctl, assembly: Assembly, words: list[str]) -> None:
    assembly.script = lambda server: server.journal.record(outcome())
    code, out, _ = sysctl("dev", "server", *words)
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [e["kind"] for e in events] == ["ready", "outcome", "server", "server"]
    assert events[1]["payload"]["result"] == "reloaded"


def test_rich_can_be_asked_for_anywhere(sysctl: Sysctl, assembly: Assembly) -> None:
    assembly.script = lambda server: server.journal.record(outcome())
    out = sysctl("dev", "server", "--log-format", "rich")[1]
    assert "✓ users g7→g8 41 ms (validate 6 · stage 20" in out
    assert out.rstrip().endswith("stopped")


def test_what_failed_at_the_start_is_told_with_its_findings(
    sysctl: Sysctl, assembly: Assembly
) -> None:
    def load(server: FakeServer) -> None:
        failed = PluginRecord(
            name="users", status=PluginStatus.FAILED, reason="no", diagnostics=(ERROR,)
        )
        active = PluginRecord(
            name="orders", status=PluginStatus.ACTIVE, reason="active", diagnostics=(WARNING,)
        )
        server.registry.publish(failed, active)
        server.journal.record(outcome(trigger="start"))

    assembly.server = FakeServer(during_start=lambda: load(assembly.server))
    out = records(sysctl("dev", "server")[1])
    assert "active=1 failed=1 disabled=0" in out[0]
    assert out[1] == "plugin failed plugin=users reason=no"
    assert out[2].startswith("diagnostic error code=SYN101")
    assert out[3].startswith("diagnostic warning code=CMP201")
    assert out[4].startswith("server stopping")


def test_debug_logging_is_followed_while_running(sysctl: Sysctl, assembly: Assembly) -> None:
    log = logging.getLogger("devserver.reload")

    def script(server: FakeServer) -> None:
        log.debug("shown")
        quiet = {"debug_logging": False}
        server.settings = Settings.model_validate({"development": quiet})
        server.journal.tell("settings", ok=True, diagnostics=[])
        log.debug("hidden")

    assembly.script = script
    out = sysctl("dev", "server")[1]
    assert "message=shown" in out
    assert "message=hidden" not in out


def test_secrets_of_a_plugin_are_not_logged(sysctl: Sysctl, assembly: Assembly) -> None:
    def script(_server: FakeServer) -> None:
        try:
            raise ValueError("a secret of users")
        except ValueError:
            logging.getLogger("plugins.users.sub").exception("the secret of users")
        logging.getLogger("plugins.orders").info("the secret of users")

    assembly.script = script
    out = sysctl("dev", "server")[1]
    lines = [line for line in out.splitlines() if "logger=plugins.users" in line]
    assert lines
    assert not [line for line in lines if "secret of users" in line]
    assert "the secret of users" in out


def test_a_start_that_fails_is_an_error_and_a_hint(sysctl: Sysctl, assembly: Assembly) -> None:
    def taken() -> None:
        raise DevServerError("port 8080 is taken", hint="--port 0 takes a free one")

    assembly.server = FakeServer(during_start=taken)
    code, out, err = sysctl("dev", "server")
    assert (code, out) == (1, "")
    assert err == "error: port 8080 is taken\nhint: --port 0 takes a free one\n"
    code, out, _ = sysctl("dev", "server", "--json")
    assert json.loads(out) == {"error": "port 8080 is taken", "hint": "--port 0 takes a free one"}
