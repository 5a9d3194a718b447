"""debugpy's breakpoints survive reloads: they belong to files, whose names stay real."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import environment, fetch
from tests.guarantees.g11_tracebacks_and_breakpoints.dap import DapClient
from tests.integration.lab import wait_for

pytest.importorskip("debugpy")

PLUGIN = """
from devserver.sdk import BasePlugin

VERSION = {version}
BODY = [VERSION]


class Users(BasePlugin):
    name = "users"
    version = "1.0.0"

    def register_routes(self, app, router):
        @router.get("/work")
        def work():
            #
            # What stands where an editor has not moved its breakpoint to yet.
            #
            version = VERSION
            doubled = version * 2
            return {{"doubled": doubled}}
"""
MARKED = "            version = VERSION"


class Debugged:
    """A dev server in debugpy, with JSON output."""

    def __init__(self, project: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-Xfrozen_modules=off", "-m", "debugpy", "--listen",
             f"127.0.0.1:{self.port}", "-m", "devserver", "dev", "server", "--port", "0", "--json"],
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )  # fmt: skip
        self._events: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="debugged-reader")
        self._reader.start()
        self.url = str(self.wait_event("ready", 1)["url"])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._arrived:
                self._events.append(json.loads(line))
                self._arrived.notify_all()

    def wait_event(self, kind: str, count: int) -> dict[str, Any]:
        """The payload of the event of that kind with that number, counted from 1."""

        def found() -> list[dict[str, Any]]:
            return [e["payload"] for e in self._events if e["kind"] == kind]

        with self._arrived:
            assert self._arrived.wait_for(lambda: len(found()) >= count, 30), self._events
            return found()[count - 1]

    def trial_server(self) -> int | None:
        """The process id of the fork server, None while there is none."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        numbers = [int(pid) for each in children for pid in each.read_text().split()]
        found = [n for n in numbers if "trial_server" in Path(f"/proc/{n}/cmdline").read_text()]
        return found[0] if found else None

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(20) == 130
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self._reader.join()
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "plugins" / "users" / "plugin.py"
    file.parent.mkdir(parents=True)
    file.write_text(PLUGIN.format(version=1))
    return file


@pytest.fixture
def debugged(file: Path) -> Iterator[tuple[Debugged, DapClient]]:
    server = Debugged(file.parents[2])
    client = DapClient(server.port)
    client.attach({str(file): [line_of(file, MARKED)]})
    yield server, client
    client.ask("disconnect", terminateDebuggee=False)
    client.close()
    server.close()


def line_of(file: Path, text: str) -> int:
    return file.read_text().splitlines().index(text) + 1


def stops_at_the_breakpoint(server: Debugged, client: DapClient, line: int, version: int) -> None:
    """Asks, and looks around where it stops."""
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(fetch, server.url, "/users/work")
        stop = client.wait_stopped()
        assert (stop.reason, stop.name, stop.line) == ("breakpoint", "work", line)
        stop = stop.step()
        assert (stop.reason, stop.line) == ("step", line + 1)
        assert stop.variables()["version"] == str(version)
        assert stop.evaluate("VERSION") == str(version)
        stop.go_on()
        assert answer.result(20) == {"doubled": 2 * version}


def test_a_breakpoint_survives_ten_reloads(
    debugged: tuple[Debugged, DapClient], file: Path
) -> None:
    server, client = debugged
    first = line_of(file, MARKED)
    # The plugin was executed before anybody had attached.
    stops_at_the_breakpoint(server, client, first, 1)
    durations = []
    for version in range(2, 12):
        more = version % 3
        file.write_text("# more\n" * more + PLUGIN.format(version=version))
        outcome = server.wait_event("outcome", version - 1)
        assert outcome["success"], outcome
        durations.append(outcome["duration_ms"])
        if more != (version - 1) % 3:
            # An editor tells where the lines are that it has moved itself.
            client.set_breakpoints(str(file), [first + more])
        stops_at_the_breakpoint(server, client, first + more, version)
    # debugpy stops all threads that come to the developer's code, so a save meanwhile waits too.
    line = first + 11 % 3
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(fetch, server.url, "/users/work")
        stop = client.wait_stopped()
        file.write_text("# more\n" * (11 % 3) + PLUGIN.format(version=12))
        stop.go_on()
        assert answer.result(20) == {"doubled": 22}
    assert server.wait_event("outcome", 11)["success"]
    stops_at_the_breakpoint(server, client, line, 12)
    # Tracing slows it down, but it stays what it was.
    assert sorted(durations)[5] < 1000
    assert "debugpyAttach" not in client.events


def test_a_breakpoint_in_a_module_body_stops_the_reload_and_the_trial_goes_on_without(
    debugged: tuple[Debugged, DapClient], file: Path
) -> None:
    server, client = debugged
    body = line_of(file, "BODY = [VERSION]")
    client.set_breakpoints(str(file), [body])
    before = server.trial_server()
    assert before is not None
    file.write_text(PLUGIN.format(version=2))
    stop = client.wait_stopped()
    assert (stop.reason, stop.line, stop.name) == ("breakpoint", body, "<module>")
    assert stop.evaluate("VERSION") == "2"
    stop.go_on()
    assert server.wait_event("outcome", 1)["success"]
    # A new fork server, started while the debugger is attached, is not taken over either.
    client.set_breakpoints(str(file), [])
    os.kill(before, signal.SIGKILL)
    file.write_text(PLUGIN.format(version=3))
    outcome = server.wait_event("outcome", 2)
    assert outcome["success"], outcome
    after = wait_for(server.trial_server, "the new fork server")
    assert after != before
    command = Path(f"/proc/{after}/cmdline").read_text()
    assert not re.search("pydevd|debugpy", command)
    assert "debugpyAttach" not in client.events
    assert fetch(server.url, "/users/work") == {"doubled": 6}
