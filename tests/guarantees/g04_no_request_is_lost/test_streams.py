"""Open streams delay no reload, stay on their generation, and are let go in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.running import Running, fetch
from tests.guarantees.g04_no_request_is_lost.wire import Wire, head
from tests.integration.lab import Lab, plugin, wait_for

Serve = Callable[..., Running]

TOP = """
import threading
import time
from pathlib import Path
from flask import Response

ROOT = Path(__file__).parents[2]
NEVER = threading.Event()

def answer(parts, **headers):
    def each():
        try:
            yield from parts
        finally:
            (ROOT / f"closed-{VERSION}").touch()
    return Response(each(), headers=headers)

def ticking():
    while True:
        yield f"{VERSION};"
        time.sleep(0.01)

def waiting():
    yield f"{VERSION};"
    NEVER.wait()

def computing():
    yield f"{VERSION};"
    while True:
        time.sleep(0.01)

def download():
    for n in range(100):
        yield f"{VERSION:>10}"
        time.sleep(0.01)
"""
ROUTES = """
@router.get("/ticking")
def ticks():
    return answer(ticking())

@router.get("/waiting")
def waits():
    return answer(waiting())

@router.get("/computing")
def computes():
    return answer(computing())

@router.get("/download")
def downloads():
    return answer(download(), **{"Content-Length": "1000"})
"""


def users(version: int) -> str:
    return plugin("users", version, top=TOP, routes=ROUTES)


@pytest.fixture
def url(project: Lab, serve: Serve) -> str:
    project.settings("reload:\n  drain_timeout: 0.3\n")
    project.write("users", users(1))
    return str(serve().wait_for("ready")["url"])


def reload(project: Lab, url: str, version: int) -> None:
    project.replace("users", users(version))
    assert fetch(url, "/api/plugins/users/reload", "POST")["success"]


def notes(url: str) -> str:
    return "\n".join(n for outcome in fetch(url, "/api/history") for n in outcome["notes"])


def test_a_stream_ends_drain_timeout_after_the_commit_and_is_closed(project: Lab, url: str) -> None:
    with Wire(url) as stream, Wire(url) as other:
        stream.send(head("/users/ticking"))
        begun = stream.begin()
        assert begun.read(4) == b"1;1;"
        reload(project, url, 2)
        assert other.ask("/users/version").json()["version"] == 2
        assert set(begun.read().split(b";")) == {b"1", b""}  # a proper end, and no other version
        assert stream.ask("/users/version").json()["version"] == 2  # on the same connection
    wait_for((project.root / "closed-1").exists, "the end of the generator")
    wait_for(lambda: "an open stream was ended: GET /users/ticking" in notes(url), "the note")


@pytest.mark.parametrize("kind", ["waiting", "computing"])
def test_the_client_of_a_stream_that_does_not_end_sees_its_end(
    project: Lab, url: str, kind: str
) -> None:
    with Wire(url) as stream:
        stream.send(head(f"/users/{kind}"))
        assert stream.begin().read(2) == b"1;"
        reload(project, url, 2)
        assert b";" not in stream.rest()
    if kind == "computing":
        wait_for((project.root / "closed-1").exists, "the end of the generator")
    else:
        wait_for(lambda: "left behind: the stream GET /users/waiting" in notes(url), "the note")
        assert "in waiting" in notes(url)
        assert "NEVER.wait()" in notes(url)


def test_an_answer_of_known_length_goes_out_whole_however_long_it_takes(
    project: Lab, url: str
) -> None:
    with Wire(url) as download:
        download.send(head("/users/download"))
        begun = download.begin()
        assert begun.read(10).strip() == b"1"
        reload(project, url, 2)
        assert begun.read() == b"         1" * 99


def test_a_client_that_leaves_a_stream_ends_it(project: Lab, url: str) -> None:
    with Wire(url) as stream:
        stream.send(head("/users/ticking"))
        assert stream.begin().read(2) == b"1;"
    wait_for((project.root / "closed-1").exists, "the end of the generator")


def test_a_client_that_reads_slowly_holds_no_reload_up(project: Lab, url: str) -> None:
    with Wire(url) as slow:
        slow.send(head("/users/ticking") * 2)
        reload(project, url, 2)
        reload(project, url, 3)
