"""The server is told to end while it works: what is in flight goes out, nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.e2e.running import Running
from tests.guarantees.g04_no_request_is_lost.wire import Wire, head
from tests.integration.lab import Lab, plugin, wait_for

Serve = Callable[..., Running]

TOP = """
import os
import threading
import time
from pathlib import Path
from flask import Response

ROOT = Path(__file__).parents[2]

def begun(what):
    (ROOT / what).touch()
"""
ROUTES = """
@router.get("/slow")
def slow():
    begun("slow")
    time.sleep(0.7)
    return {"answer": "whole"}

@router.get("/hangs")
def hangs():
    begun("hangs")
    threading.Event().wait()

@router.get("/parts")
def parts():
    def each():
        for n in range(5):
            yield f"{n};"
            begun("parts")
            time.sleep(0.15)
    return Response(each(), mimetype="text/plain")

@router.get("/events")
def events():
    def each():
        yield "data: 1\\n\\n"
        begun("events")
        threading.Event().wait()
    return Response(each(), mimetype="text/event-stream")
"""


TRIAL = "begun('trial')\ntime.sleep(25)\n"


def users(version: int = 1, *, top: str = "", **parts: str) -> str:
    return plugin("users", version, top=TOP + top, routes=ROUTES, **parts)


def until(project: Lab, what: str) -> None:
    """Until the plugin has said so."""
    wait_for((project.root / what).exists, f"{what!r}")


def url_of(server: Running) -> str:
    return str(server.wait_for("ready")["url"])


def processes_of(project: Lab) -> list[str]:
    """The processes that work in the project's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve() == project.root.resolve():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found += [] if state in "ZX" else [f"{entry.name} {(entry / 'comm').read_text()}"]
        except OSError:
            continue
    return found


def nothing_is_left(project: Lab, server: Running) -> None:
    """No process, no server.json, and the port is free for the next one."""
    wait_for(lambda: not processes_of(project), f"the end of {processes_of(project)}", 5)
    assert not (project.root / "instance" / "server.json").exists()
    port = int(re.search(r":(\d+)/", url_of(server)).group(1))  # type: ignore[union-attr]
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_an_idle_server_ends_at_once_whatever_connections_wait(project: Lab, serve: Serve) -> None:
    project.write("users", users())
    server = serve()
    with contextlib.ExitStack() as opened:
        wires = [opened.enter_context(Wire(url_of(server))) for _ in range(8)]
        for wire in wires[:4]:
            assert wire.ask("/users/version").status == 200
        wires[4].send(b"GET /users/ver")  # half a head
        wires[5].send(head("/users/events"))
        until(project, "events")
        code, took, err = server.end(signal.SIGINT)
        assert (code, err) == (130, "")
        assert took < 1.5  # 1 s on a machine that is not shared
        assert b"data: 1" in wires[5].rest()
    nothing_is_left(project, server)


def test_what_is_in_flight_goes_out_whole(project: Lab, serve: Serve) -> None:
    project.write("users", users())
    server = serve()
    with Wire(url_of(server)) as slow, Wire(url_of(server)) as parts:
        slow.send(head("/users/slow"))
        parts.send(head("/users/parts"))
        until(project, "slow")
        until(project, "parts")
        code, took, err = server.end(signal.SIGTERM)
        assert slow.receive().json() == {"answer": "whole"}
        assert parts.receive().body == b"0;1;2;3;4;"
    assert (code, err) == (0, "")
    assert took < 3
    nothing_is_left(project, server)


def test_who_waits_for_a_reload_is_answered_by_the_new_version(project: Lab, serve: Serve) -> None:
    project.write("users", users())
    server = serve()
    body = "def initialize(self):\n    begun('initialising')\n    time.sleep(0.5)"
    project.replace("users", users(2, body=body))
    until(project, "initialising")
    with Wire(url_of(server)) as held:
        held.send(head("/users/version"))
        code, took, err = server.end(signal.SIGINT)
        assert held.receive().json()["version"] == 2
    assert (code, err) == (130, "")
    assert took < 3
    nothing_is_left(project, server)


def test_a_second_ctrl_c_ends_whatever_is_under_way(project: Lab, serve: Serve) -> None:
    """A request that hangs, a reload that hangs, and one that waits for it."""
    project.write("users", users())
    server = serve()
    with Wire(url_of(server)) as hanging, Wire(url_of(server)) as held:
        hanging.send(head("/users/hangs"))
        until(project, "hangs")
        project.replace(
            "users", users(2, body="def initialize(self):\n    threading.Event().wait()")
        )
        wait_for(lambda: any(e["kind"] == "started" for e in server.events), "the reload")
        held.send(head("/users/version"))
        server.process.send_signal(signal.SIGINT)
        server.wait_for("server", status="stopping; Ctrl-C again ends at once")
        code, took, err = server.end(signal.SIGINT)
        assert (code, err) == (130, "")
        assert took < 2
    nothing_is_left(project, server)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)]
)
def test_what_hangs_gets_its_five_seconds_and_no_more(
    project: Lab, serve: Serve, number: int
) -> None:
    """A request, a reload, a request that waits for it, and the shutdown() of a plugin."""
    stuck = "def shutdown(self):\n    begun('leaving')\n    threading.Event().wait()"
    project.write("stuck", users(body=stuck).replace("users", "stuck").replace("Users", "Stuck"))
    project.write("users", users())
    server = serve()
    with Wire(url_of(server)) as hanging, Wire(url_of(server)) as held:
        hanging.send(head("/stuck/hangs"))
        until(project, "hangs")
        body = "def initialize(self):\n    begun('initialising')\n    threading.Event().wait()"
        project.replace("users", users(2, body=body))
        until(project, "initialising")
        held.send(head("/users/version"))
        code, took, err = server.end(number)
    assert (code, err) == (130 if number == signal.SIGINT else 0, "")
    assert 4 < took < 8
    assert (project.root / "leaving").exists()
    nothing_is_left(project, server)


def test_a_trial_under_way_ends_with_the_server(project: Lab, serve: Serve) -> None:
    project.write("users", users())
    server = serve()
    project.replace("users", users(2, top=TRIAL))
    until(project, "trial")
    code, took, err = server.end(signal.SIGINT)
    assert (code, err) == (130, "")
    assert took < 3
    nothing_is_left(project, server)


def test_after_kill_9_a_restart_works_at_once_and_trials_end_by_themselves(
    project: Lab, serve: Serve
) -> None:
    project.write("users", users())
    server = serve()
    port = re.search(r":(\d+)/", url_of(server)).group(1)  # type: ignore[union-attr]
    with Wire(url_of(server)) as open_one:
        open_one.send(head("/users/hangs"))
        until(project, "hangs")
        project.replace("users", users(2, top=TRIAL))
        until(project, "trial")
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        with pytest.raises((OSError, HTTPException)):
            open_one.receive()
        wait_for(lambda: not processes_of(project), "the end of the trial", 5)
        project.replace("users", users(3))
        begun = time.monotonic()
        again = serve("--port", port)
        assert time.monotonic() - begun < 10
        assert f":{port}/" in url_of(again)
        with Wire(url_of(again)) as wire:
            assert wire.ask("/users/version").json()["version"] == 3
